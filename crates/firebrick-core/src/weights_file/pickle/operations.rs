//! The operations of a pickle, as the machine carries them out.

use std::io::{BufRead, Read};

use super::limits::{MAX_NAME, MAX_OPERATIONS, cut_off};
use super::machine::Machine;
use super::objects::{Node, Unpickled, Value, damaged};

impl Machine<'_> {
    pub(super) fn run(mut self, input: &mut dyn BufRead) -> Result<Unpickled, String> {
        for _ in 0..MAX_OPERATIONS {
            let code = u8::from_le_bytes(bytes(input)?);
            if code == b'.' {
                self.all.root = self.pop()?;
                return Ok(self.all);
            }
            if !self.constant(code, input)?
                && !self.memory(code, input)?
                && !self.build(code, input)?
            {
                return Err(format!(
                    "byte {code:#04x} is not a pickle operation that PyTorch writes"
                ));
            }
        }
        Err(format!(
            "its pickle has more than {MAX_OPERATIONS} operations"
        ))
    }

    /// Operations that push a constant.
    fn constant(&mut self, code: u8, input: &mut dyn BufRead) -> Result<bool, String> {
        let value = match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i32::from_le_bytes(bytes(input)?).into()),
            b'K' => Value::Int(u8::from_le_bytes(bytes(input)?).into()),
            b'M' => Value::Int(u16::from_le_bytes(bytes(input)?).into()),
            b'G' => {
                bytes::<8>(input)?;
                Value::Number
            }
            b'F' => {
                line(input)?;
                Value::Number
            }
            b'I' => match line(input)?.as_str() {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                number => number.parse().map_or(Value::Number, Value::Int),
            },
            b'L' => line(input)?
                .trim_end_matches('L')
                .parse()
                .map_or(Value::Number, Value::Int),
            0x8a => {
                let count = u8::from_le_bytes(bytes(input)?);
                long(input, count.into())?
            }
            0x8b => {
                let count = u32::from_le_bytes(bytes(input)?);
                long(input, count.into())?
            }
            b'U' | 0x8c => {
                let count = u8::from_le_bytes(bytes(input)?);
                self.text(input, count.into())?
            }
            b'T' | b'X' => {
                let count = u32::from_le_bytes(bytes(input)?);
                self.text(input, count.into())?
            }
            0x8d => {
                let count = u64::from_le_bytes(bytes(input)?);
                self.text(input, count)?
            }
            b'V' | b'S' => {
                let text = line(input)?;
                let text = text.trim_matches(['\'', '"']).to_string();
                self.node(Node::Text(text))
            }
            b'C' => {
                let count = u8::from_le_bytes(bytes(input)?);
                skip(input, count.into())?;
                self.node(Node::Bytes)
            }
            b'B' => {
                let count = u32::from_le_bytes(bytes(input)?);
                skip(input, count.into())?;
                self.node(Node::Bytes)
            }
            0x8e | 0x96 => {
                let count = u64::from_le_bytes(bytes(input)?);
                skip(input, count)?;
                self.node(Node::Bytes)
            }
            b')' | b']' | 0x8f => self.node(Node::Sequence(Vec::new())),
            b'}' => self.node(Node::Dict(Vec::new())),
            _ => return Ok(false),
        };
        self.stack.push(value);
        Ok(true)
    }

    /// Operations on the stack, the memo and the frame of the pickle.
    fn memory(&mut self, code: u8, input: &mut dyn BufRead) -> Result<bool, String> {
        let index = match code {
            0x80 => {
                let protocol = u8::from_le_bytes(bytes(input)?);
                if protocol > 5 {
                    return Err(format!(
                        "its pickle has protocol {protocol}; 5 is the last one known"
                    ));
                }
                return Ok(true);
            }
            0x95 => {
                bytes::<8>(input)?;
                return Ok(true);
            }
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(true);
            }
            b'0' => {
                self.pop()?;
                return Ok(true);
            }
            b'1' => {
                self.pop_mark()?;
                return Ok(true);
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                return Ok(true);
            }
            b'h' | b'q' => u8::from_le_bytes(bytes(input)?).into(),
            b'j' | b'r' => u32::from_le_bytes(bytes(input)?),
            b'g' | b'p' => line(input)?.parse().map_err(|_| damaged())?,
            0x94 => self.memo.len() as u32,
            _ => return Ok(false),
        };
        if matches!(code, b'h' | b'j' | b'g') {
            let value = *self.memo.get(&index).ok_or_else(damaged)?;
            self.stack.push(value);
        } else {
            let top = self.top()?;
            self.memo.insert(index, top);
        }
        Ok(true)
    }

    /// Operations that make or fill an object.
    fn build(&mut self, code: u8, input: &mut dyn BufRead) -> Result<bool, String> {
        let value = match code {
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.node(Node::Sequence(items))
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or_else(damaged)?;
                let items = self.stack.split_off(start);
                self.node(Node::Sequence(items))
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.node(Node::Dict(pairs(&items)))
            }
            b'a' | b'e' | 0x90 => {
                let items = match code {
                    b'a' => vec![self.pop()?],
                    _ => self.pop_mark()?,
                };
                if let Node::Sequence(values) = self.top_node()? {
                    values.extend(items);
                }
                return Ok(true);
            }
            b's' | b'u' => {
                let items = match code {
                    b's' => {
                        let value = self.pop()?;
                        vec![self.pop()?, value]
                    }
                    _ => self.pop_mark()?,
                };
                match self.top_node()? {
                    Node::Dict(entries) => entries.extend(pairs(&items)),
                    // A kind of dictionary: what it holds is read all the same.
                    other @ Node::Object { .. } => *other = Node::Dict(pairs(&items)),
                    _ => {}
                }
                return Ok(true);
            }
            b'c' => {
                let module = line(input)?;
                let name = line(input)?;
                self.global(&module, &name)?
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |value| self.all.key(value).ok_or_else(damaged);
                let (module, name) = (text(module)?, text(name)?);
                self.global(&module, &name)?
            }
            b'i' => {
                let module = line(input)?;
                let name = line(input)?;
                self.pop_mark()?;
                let class = self.global(&module, &name)?;
                self.object(class, &[])
            }
            b'o' => {
                let items = self.pop_mark()?;
                let class = *items.first().ok_or_else(damaged)?;
                self.count_contents(&items)?;
                self.object(class, &items)
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?
            }
            0x92 => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments)?
            }
            b'b' => {
                let state = self.pop()?;
                self.state(state)?;
                return Ok(true);
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?
            }
            _ => return Ok(false),
        };
        self.stack.push(value);
        Ok(true)
    }

    fn text(&mut self, input: &mut dyn BufRead, count: u64) -> Result<Value, String> {
        let kept = count.min(MAX_NAME as u64 + 1);
        let text = exactly(input, kept)?;
        skip(input, count - kept)?;
        Ok(self.node(Node::Text(String::from_utf8_lossy(&text).into_owned())))
    }
}

fn pairs(items: &[Value]) -> Vec<(Value, Value)> {
    items
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

fn long(input: &mut dyn BufRead, count: u64) -> Result<Value, String> {
    if count > 8 {
        skip(input, count)?;
        return Ok(Value::Number);
    }
    let digits = exactly(input, count)?;
    // Two's complement, little-endian, as many bytes as it takes.
    let sign = if digits.last().is_some_and(|last| last & 0x80 != 0) {
        0xff
    } else {
        0
    };
    let mut full = [sign; 8];
    full[..digits.len()].copy_from_slice(&digits);
    Ok(Value::Int(i64::from_le_bytes(full)))
}

/// The next `count` bytes.
fn exactly(input: &mut dyn BufRead, count: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = input
        .take(count)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if read as u64 != count {
        return Err(cut_off());
    }
    Ok(bytes)
}

fn skip(input: &mut dyn BufRead, count: u64) -> Result<(), String> {
    let skipped = std::io::copy(&mut input.take(count), &mut std::io::sink());
    if skipped.map_err(|error| error.to_string())? != count {
        return Err(cut_off());
    }
    Ok(())
}

fn bytes<const N: usize>(input: &mut dyn BufRead) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(|_| cut_off())?;
    Ok(bytes)
}

fn line(input: &mut dyn BufRead) -> Result<String, String> {
    let mut line = Vec::new();
    input
        .read_until(b'\n', &mut line)
        .map_err(|error| error.to_string())?;
    if line.pop() != Some(b'\n') {
        return Err(cut_off());
    }
    line.truncate(MAX_NAME + 1);
    Ok(String::from_utf8_lossy(&line).trim_end().to_string())
}
