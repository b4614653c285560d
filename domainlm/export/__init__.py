"""A trained model in other number formats, each reloaded and compared, with a card that says what it costs."""
