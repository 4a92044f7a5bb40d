"""What every training rests on: the loop over steps, checkpoints, interruption."""
