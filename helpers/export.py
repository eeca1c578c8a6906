"""From a Keras generator to the page: SavedModel, TF.js graph model, parity check (notebook 09)."""

import base64
import contextlib
import importlib
import io
import json
import logging
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from . import celeba, pixels, second_pass, thumbnails
from .errors import TrainingError
from .files import folder_written_whole, write_text
from .processes import silenced

PICTURES = "kinds.webp"
STYLING = ("styles", "kinds", "suits", "by_light")  # what cards say of what may be chosen
TOLERANCE = 0.02  # of the largest output: float16 weights move it by up to 0.003
SHARED = "weights.bin"  # beside model.json, in `share_weights`


def import_converter():
    """Import TensorFlow.js' SavedModel converter without what it does not need.

    `tensorflowjs` imports its decision-forest and JAX converters together with the one for
    SavedModels. Both drag in packages of several hundred MB (one has no Windows wheel), so empty
    modules stand in their places. JAX itself is left alone: others may use the real one.
    """
    forests, jax = "tensorflow_decision_forests", "tensorflowjs.converters.jax_conversion"
    if forests not in sys.modules:
        stand_in = types.ModuleType(forests)
        stand_in.__spec__ = importlib.machinery.ModuleSpec(forests, None)
        sys.modules[forests] = stand_in
    if jax not in sys.modules:
        sys.modules[jax] = types.ModuleType(jax)
        sys.modules[jax].convert_jax = None
    return importlib.import_module("tensorflowjs.converters.tf_saved_model_conversion_v2")


def export_generator(generator: keras.Model, out: Path, card: dict) -> Path:
    """Export one generator for the page.

    Writes ``model.json`` and its float16 weights (a TF.js graph model with an input "image", one
    "style" if the generator knows styles, and one output, the residual), ``check.json`` (an image,
    and a style, and the output that Keras gives for it, so that any runtime can be tested), and
    ``card.json``. Of one that knows kinds, ``kinds.webp`` shows them. `out` is replaced whole.

    Parameters
    ----------
    generator : keras.Model
        Image, or image and style, to residual, as `weight_files.load_network` returns it.
    out : Path
        The folder to write.
    card : dict
        What the weights say about themselves, as it comes with the generator.

    Returns
    -------
    Path
        ``out / "model.json"``.
    """
    if len(generator.inputs) == 1:  # its style was fixed: the page has none to choose
        card = {name: value for name, value in card.items() if name not in STYLING}
    if generator.name.endswith(second_pass.BOTH):  # the page has none to add, and a film gets both
        card = {name: value for name, value in card.items() if name != "second_pass"}
    return _export(generator, out, card)


def export_classifier(judge: keras.Model, out: Path, card: dict, attributes: list[str]) -> Path:
    """Export a classifier, so that the page can tell whether an attribute is there.

    As `export_generator` does; the output is one probability for each of `attributes`, (1, n).

    Parameters
    ----------
    judge, card
        What `classifier.load` returned.
    attributes : list of str
        Short names or columns, in the order of the output.

    Raises
    ------
    TrainingError
        If the classifier does not know one of them.
    """
    columns = [celeba.column_name(name) for name in attributes]
    if unknown := [name for name in columns if name not in card["columns"]]:
        raise TrainingError(
            f"The classifier does not know {', '.join(unknown)}. It was trained to tell "
            f"{', '.join(card['columns'])}."
        )
    image = keras.Input((card["size"], card["size"], 3), name="image")
    places = [card["columns"].index(name) for name in columns]
    logits = keras.ops.take(judge(image)[0], places, axis=-1)
    about = {key: card[key] for key in ("kind", "network", "size", "parameters", "data", "licence")}
    about["attributes"] = [celeba.short_name(name) for name in columns]
    if "held_out" in card:
        scores = card["held_out"]["balanced_accuracy"]
        about["accuracy"] = [scores[name] for name in columns]
    return _export(keras.Model(image, keras.ops.sigmoid(logits)), out, about)


def _export(model: keras.Model, out: Path, card: dict) -> Path:
    size = card["size"]
    inputs = [
        keras.Input(each.shape[1:], batch_size=1, name=name)
        for each, name in zip(model.inputs, ("image", "style"), strict=False)
    ]
    one_face = keras.Model(inputs, model(inputs if len(inputs) > 1 else inputs[0]))
    with folder_written_whole(out, replace=True) as ready, tempfile.TemporaryDirectory() as saved:
        with quiet():
            one_face.export(saved, format="tf_saved_model", verbose=False)
            import_converter().convert_tf_saved_model(
                saved, str(ready), quantization_dtype_map={"float16": "*"}
            )
        write_check(model, size, ready / "check.json")
        write_text(ready / "card.json", json.dumps(card, indent=2) + "\n")
        if kinds := thumbnails.drawable(card):
            thumbnails.write(card["attribute"], kinds, ready / PICTURES)
    return out / "model.json"


def share_weights(folder: Path, weights: Path) -> None:
    """Move the numbers of an exported generator that a weights file holds to a file of their own.

    They are all but some hundred bytes, and lie in `SHARED` as they do in the weights file, so that
    git keeps them once: `page.fill_in` makes the one from the other, by the names under "arrays".
    """
    path = folder / "model.json"
    model = json.loads(path.read_text(encoding="utf-8"))
    entries = list(_numbers(folder, model["weightsManifest"]))
    shared, names = [], []
    with np.load(weights) as arrays:
        for name in arrays.files:
            raw, shape = arrays[name].tobytes(), [*arrays[name].shape]
            # The converter leaves out a bias that is 0.
            for found in [e for e in entries if e[1] == raw and e[0]["shape"] == shape][:1]:
                entries.remove(found)
                shared.append(found)
                names.append(name)
    old = [folder / shard for group in model["weightsManifest"] for shard in group["paths"]]
    groups = (SHARED, shared, names), ("constants.bin", entries, [])
    model["weightsManifest"] = [
        {"paths": [name], "weights": [entry for entry, _ in group], "arrays": arrays}
        for name, group, arrays in groups
    ]
    for name, group, _ in groups:
        (folder / name).write_bytes(b"".join(raw for _, raw in group))
    write_text(path, json.dumps(model))
    for shard in old:
        shard.unlink()


def write_check(model: keras.Model, size: int, path: Path) -> None:
    """Write an image, a style of as many numbers as the model takes, and Keras's output."""
    face = check_image(size)
    count = model.inputs[1].shape[-1] if len(model.inputs) > 1 else 0
    style = check_style(count)
    unit = pixels.to_unit(face[None])
    output = model([unit, np.float32([style])] if style else unit, training=False).numpy()[0]
    # Networks that have learned little give little: two hundredths of [-1, 1] is all of it.
    tolerance = TOLERANCE * min(1.0, float(np.abs(output).max()))
    # Where a mask is nearly closed it is 0 then, which packs well.
    step = tolerance / 20 or 1.0
    output = np.round(output / step) * step
    check = {
        "size": size,
        "image": base64.b64encode(face.tobytes()).decode(),
        **({"style": style} if style else {}),
        "output": base64.b64encode(output.astype("<f4").tobytes()).decode(),
        "tolerance": tolerance,
    }
    write_text(path, json.dumps(check))


def check_style(count: int) -> list[float]:
    """Return so many numbers in [-1, 1], of which none is 0, or like another."""
    return [round((1.75 + 0.7 * i + 0.001 * i * i) % 2 - 1, 3) for i in range(count)]


def check_image(size: int) -> np.ndarray:
    """Return the drawn face, uint8 (size, size, 3), that every exported generator is checked on."""
    from .drawn import faces

    return faces.draw_face(7, size)


def graph_output(folder: Path, image: np.ndarray, style=()) -> np.ndarray:
    """Run an exported graph model in Python, from the very bytes that the page will load.

    The float16 weights are read from the shards and fed to the graph as ``model.json`` holds it,
    so a slip in the conversion shows here, before any browser is started.

    Parameters
    ----------
    folder : Path
        What `export_generator` or `export_classifier` wrote.
    image : np.ndarray
        float32 (1, size, size, 3) in [-1, 1].
    style : sequence of float
        For a generator that knows styles.

    Returns
    -------
    np.ndarray
        What the model gives, float32: a generator's residual, a classifier's probabilities.
    """
    import tensorflow as tf
    from google.protobuf import json_format

    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    graph = json_format.ParseDict(model["modelTopology"], tf.compat.v1.GraphDef())
    weights = _read_weights(folder, model["weightsManifest"])
    for node in graph.node:
        if node.name in weights:
            tensor = tf.make_tensor_proto(weights[node.name])
            node.attr["value"].tensor.CopyFrom(tensor)
    given = {4: image, 2: np.float32([style])}
    sources = model["signature"]["inputs"].values()
    (target,) = model["signature"]["outputs"].values()
    function = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(graph, name=""), []
    ).prune([source["name"] for source in sources], target["name"])
    ranks = [len(source["tensorShape"]["dim"]) for source in sources]
    return function(*(tf.constant(given[rank]) for rank in ranks)).numpy()


def _numbers(folder: Path, manifest: list[dict]) -> Iterator[tuple[dict, bytes]]:
    """Yield each entry of a manifest with its bytes in the shards."""
    for group in manifest:
        data = io.BytesIO(b"".join((folder / shard).read_bytes() for shard in group["paths"]))
        for entry in group["weights"]:
            length = int(np.prod(entry["shape"], dtype=np.int64)) * _stored(entry).itemsize
            raw = data.read(length)
            if len(raw) != length:
                raise TrainingError(
                    f"The weights in {folder} are cut short. Export them again (python3 course.py "
                    "export --help)."
                )
            yield entry, raw


def _stored(entry: dict) -> np.dtype:
    return np.dtype(entry.get("quantization", entry)["dtype"])


def _read_weights(folder: Path, manifest: list[dict]) -> dict[str, np.ndarray]:
    return {
        entry["name"]: np.frombuffer(raw, _stored(entry))
        .astype(entry["dtype"])
        .reshape(entry["shape"])
        for entry, raw in _numbers(folder, manifest)
    }


def check_export(folder: Path) -> float:
    """Return the largest difference between the exported model and Keras on the stored pair.

    Raises
    ------
    TrainingError
        If it is above the tolerance.
    """
    check = json.loads((folder / "check.json").read_text(encoding="utf-8"))
    shape = (1, check["size"], check["size"], 3)
    image = np.frombuffer(base64.b64decode(check["image"]), np.uint8).reshape(shape)
    expected = np.frombuffer(base64.b64decode(check["output"]), "<f4")
    output = graph_output(folder, pixels.to_unit(image), check.get("style", ()))
    worst = float(np.abs(output.ravel() - expected).max())
    if not worst <= check["tolerance"]:  # also where it is not a number
        raise TrainingError(
            f"The model exported to {folder} differs from Keras by {worst:.2g}, more than "
            f"{check['tolerance']:.2g}: it must not be used. Please report this."
        )
    return worst


def folder_name(card: dict) -> str:
    """Return where the page looks for a generator: networks of an attribute lie side by side."""
    name = f"{card['attribute']}-{card['direction']}"
    return name if card["network"] == "attention" else f"{name}-{card['network']}"


def read_measured(path: Path, card: dict) -> dict:
    """Return what a report of `evaluate` says of a generator, in a few numbers for the page.

    Raises
    ------
    TrainingError
        If it is no such report, or one of other weights.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        of = report["weights"][card["direction"]]
        measures = report["directions"][card["direction"]]
        flips = next(entry for name, entry in measures.items() if name.startswith("flip/"))
        entries = {"flips": flips} | {
            name: measures[name] for name in ("same_person", "outside", "brightness")
        }
        values = {name: round(entry["value"], 4) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise TrainingError(
            f"{path} is not a report.json that evaluate wrote, with all its measures: {error!r}."
        ) from error
    compared = ("attribute", "network", "steps", "second_pass")
    if different := [k for k in compared if of.get(k) != card.get(k)]:
        raise TrainingError(
            f"{path} measures other weights: {', '.join(f'{k} {of.get(k)}' for k in different)} "
            f"there, {', '.join(f'{k} {card.get(k)}' for k in different)} here."
        )
    return {"count": flips["n"], **values}


def write_manifest(models: Path) -> dict:
    """List every exported model below `models` in ``manifest.json``, which the page reads first."""
    generators, classifiers = [], []
    for path in sorted(models.glob("*/card.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        folder = path.parent
        shards = sum(p.stat().st_size for p in folder.glob("*.bin"))
        judge = "attributes" in card
        what = (
            ("attributes", "accuracy")
            if judge
            else ("attribute", "direction", *STYLING, "second_pass", "measured")
        )
        entry = {
            **{key: card[key] for key in what if key in card},
            "path": f"{folder.name}/model.json",
            **({"pictures": f"{folder.name}/{PICTURES}"} if (folder / PICTURES).is_file() else {}),
            "size": card["size"],
            **({"headroom": card["headroom"]} if card.get("headroom") else {}),
            "bytes": shards + (folder / "model.json").stat().st_size,
            "parameters": card["parameters"],
            "network": card["network"],
            "data": card["data"],
            "licence": card["licence"],
        }
        (classifiers if judge else generators).append(entry)
    manifest = {"version": 2, "models": generators, "classifiers": classifiers}
    write_text(models / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    return manifest


@contextlib.contextmanager
def quiet():
    """Keep the converter's chatter, on all streams and in the log, off the learner's screen."""
    handlers = list(logging.root.handlers)
    logging.disable(logging.WARNING)
    try:
        with (
            silenced(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        # The converter adds a handler that would go on writing to the streams closed here.
        logging.root.handlers[:] = handlers
        logging.disable(logging.NOTSET)
