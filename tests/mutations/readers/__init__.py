"""Every reader of files that the jobs have, each with files to damage."""

from readers import corpora, foreign, labelled, model_folders, records, runs, vocabulary

READERS = {
    reader.name: reader
    for module in (
        corpora,
        vocabulary,
        records,
        labelled,
        model_folders,
        foreign,
        runs,
    )
    for reader in module.READERS
}
