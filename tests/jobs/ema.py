import copy
import pickle

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

torch.manual_seed(6)
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
ema = copy.deepcopy(net)
averaged = AveragedModel(net)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
held = torch.randn(8, 3, 16, 16)
for step in range(6):
    loss = nn.functional.cross_entropy(net(torch.randn(8, 3, 16, 16)), torch.randint(0, 4, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    averaged.update_parameters(net)
    with torch.no_grad():
        for mine, theirs in zip(ema.state_dict().values(), net.state_dict().values()):
            mine.lerp_(theirs, 0.1) if mine.is_floating_point() else mine.copy_(theirs)
    ema.eval()
    with torch.no_grad():
        print(step, repr(loss.item()), repr(ema(held).sum().item()), repr(averaged(held).sum().item()))
second = copy.deepcopy(net)
print(type(second).__name__, type(pickle.loads(pickle.dumps(net))).__name__, sorted(net.state_dict()), len(net._forward_pre_hooks), len(net._forward_hooks))
with torch.no_grad():
    print(torch.allclose(second(held), net(held), atol=0.05))
