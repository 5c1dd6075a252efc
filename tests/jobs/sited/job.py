import builtins
import sys

import torch

torch.manual_seed(15)
net = torch.nn.Linear(4, 2)
optimizer = torch.optim.Adam(net.parameters())
for step in range(3):
    loss = net(torch.ones(2, 4)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
print(builtins.sited, sys.modules["sitecustomize"].__file__, sys.path)
