"""Libraries that are imported when something of them is first used."""
