import subprocess
import sys
from pathlib import Path

from bert_tf import metrics

HEAVY = {"nltk", "rouge_score", "sacrebleu", "scipy", "seqeval", "sklearn"}


def test_importing_metrics_loads_none_of_the_libraries_behind_them():
    folder = Path(metrics.__file__).parent
    modules = [f"bert_tf.metrics.{path.stem}" for path in folder.glob("[a-z]*.py")]
    code = f"import sys, {', '.join(modules)}; print({HEAVY} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
