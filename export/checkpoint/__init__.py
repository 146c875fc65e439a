"""What exports are made from: a trained model, and the card that tells of it."""
