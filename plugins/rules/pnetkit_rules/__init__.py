"""The paper's rules: which components stay, and when a case is abnormal."""
