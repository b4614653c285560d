"""Prefect and nothing else: the stages as flows, on a server or in one process."""
