"""Settings as globals, overridden by --key=value and by files of Python, as some well-known trainers do."""

import sys
from ast import literal_eval

import torch

width = 64
steps = 5
learning_rate = 1e-3

for argument in sys.argv[1:]:
    if "=" not in argument:
        assert not argument.startswith("--"), argument
        exec(open(argument).read())
    else:
        assert argument.startswith("--"), argument
        key, value = argument[2:].split("=")
        assert key in globals(), f"Unknown config key: {key}"
        globals()[key] = literal_eval(value)

torch.manual_seed(2)
net = torch.nn.Sequential(torch.nn.Linear(32, width), torch.nn.GELU(), torch.nn.Linear(width, 8))
optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate)
for step in range(steps):
    loss = torch.nn.functional.cross_entropy(net(torch.randn(16, 32)), torch.randint(0, 8, (16,)))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    print(step, repr(loss.item()))
