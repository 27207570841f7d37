"""What operators, sensors and transfers share."""
