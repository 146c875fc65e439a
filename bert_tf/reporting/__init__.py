"""What a run says about itself when it is done."""
