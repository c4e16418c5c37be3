"""Names by which training and evaluation code is known; see `hauberk.methods.code.learning`."""

from __future__ import annotations

import re

from hauberk.methods.expressions import expression

FITS = frozenset(
    {"fit", "fit_transform", "partial_fit", "fit_resample", "adapt", "learn_bpe", "fit_predict"}
    | {"fit_on_texts", "fit_on_sequences", "train_from_iterator", "build_vocab"}
    | {"build_vocab_from_iterator"}
)
SPLITS = frozenset(
    {
        "train_test_split",
        "random_split",
        "randomSplit",
        "split_frame",
        "cross_val_score",
        "cross_validate",
        "cross_val_predict",
    }
    | {
        "TemporalSplit",
        "iterative_train_test_split",
        "split_dataset",
        "cv",
        "train_validation_split",
    }
)
TEST = expression(
    r"(?:^|_)(?:test|tests|testing|holdout|hold_out|heldout|unseen|te|tst)(?:_|\d|$)|^(?:x|y|X|Y)te(?:st)?$|^test[A-Z]|Test$",
    re.IGNORECASE,
)
TRAIN_TEXT = expression(
    r"\b(?:\w+_)?(?:train|training|tr|trn)(?:_\w+|set)?\b|\b[Xxy]tr(?:ain)?\b", re.IGNORECASE
)
METRICS = expression(
    r"^(?:accuracy_score|f1_score|precision_score|recall_score|roc_auc_score|average_precision_score|log_loss|"
    r"mean_squared_error|mean_absolute_error|root_mean_squared_error|r2_score|balanced_accuracy_score|classification_report|"
    r"confusion_matrix|matthews_corrcoef|cohen_kappa_score|brier_score_loss|fbeta_score|mean_absolute_percentage_error|"
    r"precision_recall_fscore_support|accuracy|f1|auc|auroc|roc_auc|mse|mae|rmse|r2|jaccard_score|roc_curve|median_absolute_error|explained_variance_score|top_k_accuracy_score|ndcg_score|evaluate_predictions|compute_metrics)$"
)
_TELLING = frozenset(
    {"shift", "score", "train", "evaluate", "EarlyStopping", "ModelCheckpoint", "bfill", "rolling"}
    | {"diff", "pct_change", "backward", "Trainer", "SFTTrainer", "randomSplit", "DMatrix", "lead"}
    | {"merge_asof", "join_asof"}
    | {"load_dataset", "concatenate_datasets", "predict", "predict_proba", "DataLoader", "Subset"}
)
"""Calls by which a module speaks of learning."""
SPEAKING = FITS | SPLITS | _TELLING
