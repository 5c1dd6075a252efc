import json
from pathlib import Path

import torch

from .nets.small import build

settings = json.loads((Path(__file__).parent / "configs" / "base.json").read_text())
torch.manual_seed(settings["seed"])
model = build(settings["width"])
optimizer = torch.optim.SGD(model.parameters(), lr=settings["learning_rate"])
for step in range(settings["steps"]):
    loss = model(torch.randn(8, 3, 16, 16)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
