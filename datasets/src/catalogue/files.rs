//! The published files: address, size and SHA-256.
//!
//! The hashes of MNIST and Fashion-MNIST were taken from files that have the published MD5; those of
//! KMNIST, EMNIST and CIFAR are the ones that several independent public projects agree on. The unpacked
//! files are those of MNIST and Fashion-MNIST, and those of CIFAR-10's binary version, which were made
//! from the Python version, whose MD5s are published.

/// A file to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name.
    pub name: &'static str,
    /// The folder of the address that it is downloaded from.
    pub base: &'static str,
    /// Its size.
    pub bytes: u64,
    /// 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// The files that it unpacks to, if their hashes are known.
    pub unpacked: &'static [UnpackedFile],
}

/// A file that comes out of a published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackedFile {
    /// Its name.
    pub name: &'static str,
    /// The folder inside the archive; empty when the published file is not an archive.
    pub folder: &'static str,
    /// Its size.
    pub bytes: u64,
    /// 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
}

impl RemoteFile {
    const fn unpacks_to(self, unpacked: &'static [UnpackedFile]) -> Self {
        Self { unpacked, ..self }
    }

    /// The whole address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.name)
    }
}

const fn file(
    base: &'static str,
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
) -> RemoteFile {
    RemoteFile {
        name,
        base,
        bytes,
        sha256,
        unpacked: &[],
    }
}

const fn idx(name: &'static str, bytes: u64, sha256: &'static str) -> UnpackedFile {
    UnpackedFile {
        name,
        folder: "",
        bytes,
        sha256,
    }
}

const fn batch(name: &'static str, sha256: &'static str) -> UnpackedFile {
    UnpackedFile {
        name,
        folder: "cifar-10-batches-bin",
        bytes: 30_730_000,
        sha256,
    }
}

const MNIST_AT: &str = "https://ossci-datasets.s3.amazonaws.com/mnist/";
// This mirror speaks no TLS; the hash is what makes the file trustworthy.
const FASHION_AT: &str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/";
const KMNIST_AT: &str = "https://codh.rois.ac.jp/kmnist/dataset/kmnist/";
const EMNIST_AT: &str = "https://biometrics.nist.gov/cs_links/EMNIST/";
const CIFAR_AT: &str = "https://www.cs.toronto.edu/~kriz/";

#[rustfmt::skip]
pub(super) const MNIST: &[RemoteFile] = &[
    file(MNIST_AT, "train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609")
        .unpacks_to(&[idx("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db")]),
    file(MNIST_AT, "train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c")
        .unpacks_to(&[idx("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")]),
    file(MNIST_AT, "t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6")
        .unpacks_to(&[idx("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7")]),
    file(MNIST_AT, "t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6")
        .unpacks_to(&[idx("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")]),
];

#[rustfmt::skip]
pub(super) const FASHION_MNIST: &[RemoteFile] = &[
    file(FASHION_AT, "train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84")
        .unpacks_to(&[idx("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888")]),
    file(FASHION_AT, "train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845")
        .unpacks_to(&[idx("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9")]),
    file(FASHION_AT, "t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073")
        .unpacks_to(&[idx("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b")]),
    file(FASHION_AT, "t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5")
        .unpacks_to(&[idx("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34")]),
];

#[rustfmt::skip]
pub(super) const KMNIST: &[RemoteFile] = &[
    file(KMNIST_AT, "train-images-idx3-ubyte.gz", 18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    file(KMNIST_AT, "train-labels-idx1-ubyte.gz", 29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    file(KMNIST_AT, "t10k-images-idx3-ubyte.gz", 3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    file(KMNIST_AT, "t10k-labels-idx1-ubyte.gz", 5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
];

#[rustfmt::skip]
pub(super) const EMNIST: &[RemoteFile] = &[
    file(EMNIST_AT, "gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e"),
];

#[rustfmt::skip]
pub(super) const CIFAR10: &[RemoteFile] = &[
    file(CIFAR_AT, "cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd").unpacks_to(&[
        batch("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        batch("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        batch("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        batch("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        batch("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ]),
];

#[rustfmt::skip]
pub(super) const CIFAR100: &[RemoteFile] = &[
    file(CIFAR_AT, "cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
];
