"""What stands around a demo, for who presents it and who takes it apart."""
