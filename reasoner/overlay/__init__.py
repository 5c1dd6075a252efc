"""What a user adds: judged at the gate, tried, and admitted or refused."""
