"""KetchUp Loyalty: SMS, Viber, HLR look-ups, prices, statistics exports."""
