import time

import torch
from torch.utils.data import DataLoader, Dataset


class Slow(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        time.sleep(0.004)
        return torch.full((16,), float(index)) / 64, index % 3


if __name__ == "__main__":
    torch.manual_seed(13)
    net = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(net.parameters())
    for epoch in range(2):
        for x, y in DataLoader(Slow(), batch_size=8, shuffle=True, num_workers=1):
            loss = torch.nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, repr(loss.item()))
