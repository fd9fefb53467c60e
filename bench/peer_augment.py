"""torchvision, Pillow, albumentations and OpenCV behind the protocol of `peer.py`: `cargo xtask bench augment` starts it.

    peer_augment.py torchvision|pillow|albumentations|opencv     answers commands
    peer_augment.py photos FOLDER SIDE COUNT                     writes made-up photos as JPEGs

Everyone changes the same photos one by one, on one thread, and has them in the form that suits it best: torchvision the
fastest of tensors, channels-last tensors and Pillow images. Where a result is only another view of the photo, it is copied
to an image of its own. Each case checks its own result when it is opened.
"""

import os
import sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import peer  # noqa: E402 - reads the number of threads
from peer import Missing  # noqa: E402

WHO = sys.argv[1] if len(sys.argv) > 1 else ""


def imported(name, *modules):
    """The modules, or the reason why this contender is missing."""
    try:
        return [__import__(module) for module in modules]
    except ImportError as error:
        raise Missing(f"{name} cannot be imported: {error}") from error


def load():
    """Imports what this contender needs; the text names it and its version."""
    if WHO == "torchvision":
        torch, torchvision, pillow = imported("torchvision", "torch", "torchvision", "PIL")
        torch.set_num_threads(1)
        torch.manual_seed(0)
        return f"torchvision {torchvision.__version__}, PyTorch {torch.__version__}, Pillow {pillow.__version__}"
    if WHO == "pillow":
        imported("Pillow", "PIL", "numpy")
        import PIL
        from PIL import features

        simd = "-SIMD" if ".post" in PIL.__version__ else ""
        jpeg = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
        return f"Pillow{simd} {PIL.__version__}, {jpeg}"
    (cv2,) = imported("OpenCV", "cv2")
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    if WHO == "opencv":
        return f"OpenCV {cv2.__version__}"
    if WHO == "albumentations":
        (albumentations,) = imported("albumentations", "albumentations")
        return f"albumentations {albumentations.__version__}, OpenCV {cv2.__version__}"
    raise Missing(f"no contender {WHO}")


def sources(case):
    """The photos: pixels `[side, side, 3]`, or the content of the JPEG files."""
    from photo import photo

    if not case.get("jpegs"):
        return [photo(case["side"], index) for index in range(case["batch"])]
    photos = []
    for index in range(case["batch"]):
        path = os.path.join(case["jpegs"], f"{index}.jpg")
        try:
            with open(path, "rb") as file:
                photos.append(file.read())
        except OSError as error:
            raise Missing(f"no photos: {error}") from error
    return photos


def pixels_of(result):
    """The result as an array: `[height, width, 3]` of 8 bits, or `[3, height, width]` of floats."""
    import numpy

    if hasattr(result, "detach"):
        is_float = result.is_floating_point()
        return (result if is_float else result.permute(1, 2, 0)).numpy()
    return numpy.asarray(result)


def check(case, pixels, source):
    """Refuses a result that is not the work of the case."""
    import numpy

    side = case["output"]
    normalize = case.get("normalize")
    shape = (3, side, side) if normalize else (side, side, 3)
    dtype = numpy.float32 if normalize else numpy.uint8
    if pixels.shape != shape or pixels.dtype != dtype:
        raise Missing(f"it yields {pixels.dtype} {pixels.shape} instead of {dtype.__name__} {shape}")
    if normalize:
        for plane, mean, std in zip(pixels, normalize["mean"], normalize["std"]):
            least, most = -mean / std, (1 - mean) / std
            # Erased parts are 0, which lies inside.
            if plane.min() < least - 1e-3 or plane.max() > most + 1e-3 or plane.std() < 0.02:
                raise Missing(f"values from {plane.min()} to {plane.max()} are not normalized ones")
    elif pixels.shape == source.shape and numpy.array_equal(pixels, source):
        raise Missing("it changes nothing")


def thumbnail(pixels):
    """Means of 4 × 4 cells, to compare with those of the others."""
    height, width, _ = pixels.shape
    cells = pixels.reshape(4, height // 4, 4, width // 4, 3).astype("float64")
    return [round(float(mean), 2) for mean in cells.mean((1, 3)).ravel()]


def open_case(case):
    """The step of a case, over all its photos, and what to report about it."""
    if case["suite"] != "augment":
        raise Missing(f"no suite {case['suite']}")
    if WHO == "torchvision":
        from peer_torchvision import ways
    elif WHO == "pillow":
        from peer_pillow import ways
    elif WHO == "opencv":
        from peer_opencv import ways
    else:
        from peer_albumentations import ways
    photos = sources(case)
    ready = []
    for name, convert, change in ways(case):
        native = [convert(photo) for photo in photos]
        results = [pixels_of(change(photo)) for photo in native[:4]]
        for result, photo in zip(results, photos):
            check(case, result, photo)

        def step(native=native, change=change):
            for photo in native:
                change(photo)

        ready.append((name, step, results[0]))
    how, step = peer.fastest([(name, step) for name, step, _ in ready])
    report = {"how": how}
    if case["fixed"]:
        report["thumbnail"] = next(thumbnail(first) for name, _, first in ready if name == how)
    return step, report


def write_photos(folder, side, count):
    """Writes photos as JPEGs of quality 90, with the chroma at half the resolution as usual."""
    from PIL import Image

    from photo import photo

    os.makedirs(folder, exist_ok=True)
    for index in range(count):
        path = os.path.join(folder, f"{index}.jpg")
        Image.fromarray(photo(side, index)).save(path, "JPEG", quality=90)


if __name__ == "__main__":
    if WHO == "photos":
        write_photos(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        peer.main(load, open_case)
