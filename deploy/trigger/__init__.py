"""The PACS trigger: studies come in by C-STORE, each is run once, its results go back by C-STORE."""
