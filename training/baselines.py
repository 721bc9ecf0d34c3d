"""What a clinic has without a network: logistic regression on clinical variables, and with the lesion's size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from training.config import ClinicalSettings
from training.data import ClinicalRows
from training.splits import Split
from training.unit import interaction_places

Floats = npt.NDArray[np.float64]


def clinical_logits(rows: ClinicalRows, split: Split, settings: ClinicalSettings) -> Floats:
    """Logit of every imaged patient, by a regression on the clinical variables and their products.

    It has nothing to stop and nothing to choose, so it learns from all that are not held out: the patients with images
    and the rows without. A missing value counts as its mean.
    """
    known = rows[np.concatenate([split.fit, split.stop])].joined(split.rows_only)
    # Out of the way of any penalty: a handful of weights on several hundred rows.
    model = make_pipeline(SimpleImputer(keep_empty_features=True), LogisticRegression(C=np.inf, max_iter=1000))
    model.fit(_features(known, settings), known.label.numpy() > 0.5)
    logit: Floats = model.decision_function(_features(rows, settings))
    return logit


def with_size(clinical: Floats, size: Floats, label: npt.NDArray[np.bool_], split: Split) -> Floats:
    """Logit of every imaged patient, by a regression on her clinical logit and her lesion's encoded size [N, L]."""
    features = np.column_stack([clinical, size])
    known = np.concatenate([split.fit, split.stop])
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(features[known], label[known])
    logit: Floats = model.decision_function(features)
    return logit


def _features(rows: ClinicalRows, settings: ClinicalSettings) -> Floats:
    values = np.where(rows.missing.numpy() > 0.5, np.nan, rows.values.numpy()).astype(np.float64)
    products = [values[:, first] * values[:, second] for first, second in interaction_places(settings)]
    return np.column_stack([values, *products])
