"""From a recipe and a cohort to results: stages, the store that keeps them, the engine that runs them."""
