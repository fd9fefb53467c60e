//! Who can run a case.

/// Who runs a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Firebrick's kernels.
    Ours,
    /// An earlier version of them, with `--before`.
    Before,
    /// The same program on burn-flex's.
    Flex,
    /// PyTorch as it comes.
    Torch,
    /// PyTorch at its best settings.
    Tuned,
    /// ONNX Runtime.
    Onnx,
    /// torchvision's transforms, version 2.
    Torchvision,
    /// Pillow.
    Pillow,
    /// albumentations 2.0.8.
    Albumentations,
    /// OpenCV.
    OpenCv,
    /// Multiply-adds in registers: the most arithmetic the machine does.
    Fma,
    /// a = b + 3 c: the most memory it moves.
    Triad,
}

impl Who {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Before => "before",
            Self::Flex => "burn flex",
            Self::Torch => "PyTorch",
            Self::Tuned => "PyTorch tuned",
            Self::Onnx => "ONNX Runtime",
            Self::Torchvision => "torchvision",
            Self::Pillow => "Pillow",
            Self::Albumentations => "albumentations",
            Self::OpenCv => "OpenCV",
            Self::Fma => "fma",
            Self::Triad => "triad",
        }
    }

    /// The loop that a limit runs, as the worker knows it.
    pub(super) fn limit(self) -> Option<&'static str> {
        match self {
            Self::Fma => Some("fma"),
            Self::Triad => Some("triad"),
            _ => None,
        }
    }
}

/// Who is compared with ours in augmentation.
pub(super) const PEERS: [Who; 4] = [
    Who::Torchvision,
    Who::Pillow,
    Who::Albumentations,
    Who::OpenCv,
];
