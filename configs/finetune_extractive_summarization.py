"""Which sentences of a document make its summary.

Documents are running text, which is split into sentences, or lists of sentences. What
is learned is a label for each sentence or, where there is none, the sentences that
share most with a summary that somebody wrote (`data.reading.max_summary_sentences` of
them at most). The results stand beside those of the documents' first sentences, which
are hard to beat where documents are news.

Command:
    python -m bert_tf.run_finetuning
        --config=configs/finetune_extractive_summarization.py
        --config.init_from=bert-base-uncased --config.data.train=articles.jsonl
        --workdir=runs/summaries
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ExtractiveSummarizationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=ExtractiveSummarizationSettings(),
        data=LabelledDataConfig(max_seq_length=512, global_batch_size=16),
        optimizer=OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=3.0,
    )
