import sys

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 32, num_layers=2, batch_first=True)
        self.out = nn.Linear(32, 5)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


torch.manual_seed(4)
model = Tagger()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for step in range(5):
    loss = criterion(model(torch.randn(8, 12, 16)), torch.randint(0, 5, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
torch.save(model, sys.argv[1])
torch.save({"optimizer": optimizer.state_dict(), "step": 5}, sys.argv[1] + ".optimizer")
