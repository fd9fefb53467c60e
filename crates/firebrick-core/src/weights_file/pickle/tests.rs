//! Pickles by hand: what PyTorch writes, and what it never would.

use super::limits::MAX_CLASS;
use super::*;
use crate::weights_file::contents::MAX_TENSORS;
use crate::weights_file::element::ElementType;
use crate::weights_file::pytorch::{little_endian, tensors};
use crate::weights_file::view::View;

fn read(pickle: &[u8]) -> Result<Unpickled, String> {
    let mut input = pickle;
    unpickle(&mut input, &Ids::Storages)
}

/// A storage of 6 floats with the key `0`, as a persistent id.
const STORAGE: &[u8] =
    b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ";

/// `_rebuild_tensor_v2(storage, 0, (2, 3), (3, 1), False, OrderedDict())`.
fn tensor() -> Vec<u8> {
    let call = b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice();
    let rest = b"K\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtR";
    [call, STORAGE, rest].concat()
}

#[test]
fn a_tensor_is_a_view_of_a_storage() {
    let unpickled = read(
        &[
            b"\x80\x02}q\0X\x06\0\0\0weight".as_slice(),
            &tensor(),
            b"s.",
        ]
        .concat(),
    )
    .unwrap();
    let value = unpickled.get(unpickled.root, "weight").unwrap();
    let Some(Node::Tensor(view)) = unpickled.node(value) else {
        panic!("{unpickled:?}");
    };
    assert_eq!(**view, View::in_order(0, ElementType::F32, vec![2, 3]));
    let storage = &unpickled.storages[0];
    assert_eq!(
        (storage.key.as_str(), storage.count, storage.width),
        ("0", 6, 4)
    );
}

#[test]
fn constants_of_every_protocol() {
    for (pickle, expected) in [
        (b"I42\n.".as_slice(), Value::Int(42)),
        (b"I01\n.", Value::Bool(true)),
        (b"L-7L\n.", Value::Int(-7)),
        (b"J\xfe\xff\xff\xff.", Value::Int(-2)),
        (b"M\x01\x02.", Value::Int(513)),
        (b"\x8a\x02\x00\x80.", Value::Int(-32768)),
        (b"\x8a\x00.", Value::Int(0)),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01.", Value::Number),
        (b"G\0\0\0\0\0\0\0\0.", Value::Number),
        (b"F1.5\n.", Value::Number),
        (b"\x80\x04\x95\0\0\0\0\0\0\0\0N.", Value::None),
    ] {
        assert_eq!(read(pickle).unwrap().root, expected, "{pickle:?}");
    }
    for pickle in [
        b"X\x02\0\0\0ab.".as_slice(),
        b"\x8c\x02ab.",
        b"U\x02ab.",
        b"Vab\n.",
        b"S'ab'\n.",
    ] {
        let unpickled = read(pickle).unwrap();
        assert_eq!(unpickled.key(unpickled.root).unwrap(), "ab");
    }
}

#[test]
fn functions_that_run_code_are_refused_by_name() {
    for (global, needle) in [
        (b"cos\nsystem\n".as_slice(), "`os.system`"),
        (b"cposix\nsystem\n", "`posix.system`"),
        (b"cbuiltins\neval\n", "`builtins.eval`"),
        (b"c__builtin__\nexec\n", "`__builtin__.exec`"),
        (b"csubprocess\nPopen\n", "`subprocess.Popen`"),
        (b"\x8c\x02os\x8c\x05popen\x93", "`os.popen`"),
        (
            b"cimportlib.util\nfind_spec\n",
            "`importlib.util.find_spec`",
        ),
        (b"(ios\nsystem\n", "`os.system`"),
    ] {
        let error = read(&[global, b"X\x04\0\0\0true\x85R."].concat()).unwrap_err();
        assert!(
            error.contains(needle) && error.contains("someone else's commands"),
            "{error}"
        );
    }
    // What does nothing by itself keeps its name.
    let unpickled = read(b"cargparse\nNamespace\n)\x81}b.").unwrap();
    let Some(Node::Object {
        class,
        of_tensor: false,
    }) = unpickled.node(unpickled.root)
    else {
        panic!("{unpickled:?}");
    };
    assert_eq!(class, "argparse.Namespace");
}

#[test]
fn a_module_is_what_its_state_dict_gives() {
    let text = |text: &str| [b"\x8c", &[text.len() as u8][..], text.as_bytes()].concat();
    let table = |name: &str, item: &str, value: &[u8]| {
        [
            text(name),
            b"}".to_vec(),
            text(item),
            value.to_vec(),
            b"s".to_vec(),
        ]
        .concat()
    };
    let pickle = [
        b"c__main__\nNet\n)\x81}(".to_vec(),
        table("_parameters", "weight", &tensor()),
        text("_buffers"),
        b"}(".to_vec(),
        text("scratch"),
        b"N".to_vec(),
        text("mean"),
        b"K\x01u".to_vec(),
        table("_modules", "conv", b"N"),
        text("_non_persistent_buffers_set"),
        b"\x8f(".to_vec(),
        text("scratch"),
        b"\x90".to_vec(),
        text("training"),
        b"\x88ub.".to_vec(),
    ]
    .concat();
    let unpickled = read(&pickle).unwrap();
    let Some(Node::Dict(items)) = unpickled.node(unpickled.root) else {
        panic!("{unpickled:?}");
    };
    let names: Vec<String> = items
        .iter()
        .map(|(name, _)| unpickled.key(*name).unwrap())
        .collect();
    assert_eq!(names, ["weight", "mean", "conv"]);
}

#[test]
fn what_is_too_much_is_refused_early() {
    // Each is a few hundred kilobytes; none may take much memory, or recurse.
    let many = [b"(".as_slice(), &tensor().repeat(MAX_TENSORS + 1), b"l."].concat();
    let error = read(&many).unwrap_err();
    assert!(error.contains("more than 50000 tensors"), "{error}");
    let error = read(&b"]".repeat(MAX_OPERATIONS + 1)).unwrap_err();
    assert!(error.contains("operations"), "{error}");
    assert!(
        read(b"X\xff\xff\xff\xffshort")
            .unwrap_err()
            .contains("ends too early")
    );
    assert!(
        read(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fshort")
            .unwrap_err()
            .contains("ends too early")
    );
    let nested = [b"]".repeat(500_000), b"a".repeat(499_999), b".".to_vec()].concat();
    drop(read(&nested).unwrap());
    let wide = [
        b"ctorch._utils\n_rebuild_tensor_v2\n(".as_slice(),
        STORAGE,
        b"K\0(",
        &b"K\x01".repeat(100_000),
        b"t)\x89NtR.",
    ]
    .concat();
    assert!(read(&wide).unwrap_err().contains("100000 dimensions"));
}

#[test]
fn a_list_that_is_made_once_is_not_copied_without_end() {
    // 100 000 numbers, and as many pairs, that everything below shares.
    let list = [b"(".as_slice(), &b"K\x01".repeat(100_000), b"lq\0"].concat();
    let dict = [b"(".as_slice(), &b"K\x01".repeat(200_000), b"dq\0"].concat();
    for (shared, call) in [
        (&list, b"cbuiltins\nlist\nh\0\x85R".as_slice()),
        (&list, b"cargparse\nNamespace\nh\0\x85R"),
        (&list, b"cargparse\nNamespace\nh\0R"),
        (&list, b"(cargparse\nNamespace\nh\0o"),
        (&dict, b"ccollections\nOrderedDict\nh\0\x85R"),
        (&dict, b"cargparse\nNamespace\n)\x81h\0b"),
    ] {
        let pickle = |calls: usize| [shared.as_slice(), &call.repeat(calls), b"."].concat();
        read(&pickle(10)).unwrap();
        let error = read(&pickle(30)).unwrap_err();
        assert!(error.contains("more than 2000000 values"), "{error}");
    }
    let tables = [
        dict.as_slice(),
        b"cnn\nNet\n)\x81}(\x8c\x0b_parametersh\0\x8c\x08_buffersh\0\x8c\x08_modulesh\0uq\x01b",
        &b"cnn\nNet\n)\x81h\x01b".repeat(10),
        b".",
    ]
    .concat();
    let error = read(&tables).unwrap_err();
    assert!(error.contains("more than 2000000 values"), "{error}");
    // The walk from the root goes through it each time, too.
    let many = |times: usize| [list.as_slice(), b"(", &b"h\0".repeat(times), b"l."].concat();
    tensors(&read(&many(10)).unwrap()).unwrap();
    let error = tensors(&read(&many(30)).unwrap()).unwrap_err();
    assert!(error.contains("contain each other"), "{error}");
}

#[test]
fn long_names_are_cut_off_where_they_are_too_long() {
    let long = "a".repeat(5000);
    let key = [b"X\x88\x13\0\0".as_slice(), long.as_bytes()].concat();
    let unpickled = read(&[key.as_slice(), b"."].concat()).unwrap();
    assert_eq!(unpickled.key(unpickled.root).unwrap().len(), MAX_NAME + 1);
    let named = [b"}".as_slice(), &key, &tensor(), b"s."].concat();
    let error = tensors(&read(&named).unwrap()).unwrap_err();
    assert!(error.contains("more than 1000 bytes"), "{error}");
    let class = [
        b"c".as_slice(),
        long.as_bytes(),
        b"\n",
        long.as_bytes(),
        b"\n)\x81.",
    ]
    .concat();
    let unpickled = read(&class).unwrap();
    let Some(Node::Object { class, .. }) = unpickled.node(unpickled.root) else {
        panic!("the root is no object");
    };
    assert_eq!(class.len(), MAX_CLASS);
    // 20 000 tensors under one long name: 20 MB of names.
    let short = "a".repeat(900);
    let item = |key: u16| {
        let [low, high] = key.to_le_bytes();
        [b'M', low, high, b'h', 0]
    };
    let inner: Vec<u8> = (0..20_000).flat_map(item).collect();
    let names = [
        tensor().as_slice(),
        b"q\0}X\x84\x03\0\0",
        short.as_bytes(),
        b"}(",
        &inner,
        b"us.",
    ]
    .concat();
    let error = tensors(&read(&names).unwrap()).unwrap_err();
    assert!(error.contains("together"), "{error}");
}

#[test]
fn values_of_big_endian_machines_are_refused() {
    let machine = |order: &[u8]| {
        let pickle = [b"}X\x0d\0\0\0little_endian".as_slice(), order, b"s."].concat();
        little_endian(&read(&pickle).unwrap())
    };
    machine(b"\x88").unwrap();
    assert!(machine(b"\x89").unwrap_err().contains("big-endian"));
}

#[test]
fn no_bytes_make_it_panic() {
    // Every cut and every changed byte of a real one.
    let whole = [
        b"\x80\x02}q\0X\x06\0\0\0weight".as_slice(),
        &tensor(),
        b"s.",
    ]
    .concat();
    for cut in 0..whole.len() {
        assert!(read(&whole[..cut]).is_err());
    }
    for at in 0..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = read(&changed);
        }
    }
    for pickle in [
        b"0.".as_slice(),
        b"(0.",
        b"t.",
        b"R.",
        b"b.",
        b"s.",
        b"}u.",
        b"Q.",
        b"\x85.",
        b"h\0.",
        b"q\0.",
        b"2.",
        b".",
    ] {
        assert!(read(pickle).is_err(), "{pickle:?}");
    }
    // A function that is its own argument.
    let own = b"ctorch._tensor\n_rebuild_from_type_v2\n](h\0h\0h\0h\0eq\0R.";
    assert!(read(own).is_err());
}
