"""Half the layers, distilled: how near the teacher, how far above the same alone."""

import statistics

from benchmarks.compression_runs import Setting, describe

_LAYERS = {6: (0, 2, 5), 12: (0, 2, 4, 7, 9, 11)}


def measure(setting: Setting) -> None:
    """Trains teacher, students alone and students distilled, and prints the scores."""
    from bert_tf.checkpoints import conversion

    teacher = setting.teacher()
    depth = conversion.load_any(setting.model).config.num_hidden_layers
    layers = _LAYERS[depth]
    whole = float(setting.run("teacher", 0)[setting.metric])
    alone = setting.scores(
        "alone",
        init_from=setting.layers_of_the_model(layers),
        num_train_epochs=3.0,
        optimizer__learning_rate=1e-4,
    )
    distilled = setting.scores(
        "distilled",
        distillation__teacher=teacher,
        distillation__unlabelled=setting.unlabelled,
        distillation__student_layers=",".join(map(str, layers)),
        distillation__temperature=2.0,
        distillation__hard_weight=0.2,
        distillation__soft_weight=0.8,
        distillation__cosine_weight=1.0,
        distillation__cache_dir=setting.folder / "taught",
        num_train_epochs=3.0,
        optimizer__learning_rate=1e-4,
    )
    print(f"{setting.task}, held-out {setting.metric}, in hundredths")
    print(f"teacher, {depth} layers: {100 * whole:.2f}")
    print(f"{len(layers)} layers alone: {describe(alone)}")
    print(f"{len(layers)} layers distilled: {describe(distilled)}")
    mean, mean_alone = statistics.fmean(distilled), statistics.fmean(alone)
    gap, gain = whole - mean_alone, mean - mean_alone
    print(
        f"{mean / whole:.1%} of the teacher's; {100 * gain:+.2f} points above the same "
        f"alone, {gain / gap if gap else 0:.0%} of the gap"
    )
