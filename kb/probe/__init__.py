"""The probe: what a machine tells of itself. Each module reads one source; `machine` puts them together."""
