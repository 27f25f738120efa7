"""Phantoms: deterministic dual-phase CTs of made-up patients, to try everything on. Not clinical data."""

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case, phantom_spacing_mm, write_cohort

__all__ = ["PhantomSpec", "phantom_case", "phantom_spacing_mm", "write_cohort"]
