"""What several families need of infinitely wide networks: layer recursions, and dynamics in kernel modes."""
