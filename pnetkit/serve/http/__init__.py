"""The way in over HTTP: submit a study, ask what became of it, fetch what came of it."""
