"""Small tables and models that several tests train with."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

# Told apart by `x` alone, so that every model learns it.
FRAME = pd.DataFrame({"x": np.linspace(-1, 1, 40), "z": np.tile([0.5, -0.5], 20)})
LABEL = (FRAME["x"] > 0).astype(int)


def fitted() -> LogisticRegression:
    return LogisticRegression().fit(FRAME, LABEL)


def log_model(tracking, registered: str | None = None, model=None):
    """Logs a model to the active run; registers it as well when a name is given."""
    return tracking.sklearn.log_model(
        model or fitted(),
        name="model",
        signature=tracking.models.infer_signature(FRAME, LABEL),
        input_example=FRAME.head(3),
        registered_model_name=registered,
        pip_requirements=["scikit-learn"],
    )
