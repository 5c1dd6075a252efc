import torch
from torch import nn

torch.manual_seed(7)
G = nn.Sequential(nn.ConvTranspose2d(8, 16, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh())
D = nn.Sequential(nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 1, 4), nn.Sigmoid())
criterion = nn.BCELoss()
optD, optG = torch.optim.Adam(D.parameters(), 2e-4), torch.optim.Adam(G.parameters(), 2e-4)
for step in range(4):
    D.zero_grad()
    real = torch.randn(4, 1, 8, 8)
    errD_real = criterion(D(real).view(-1), torch.ones(4))
    errD_real.backward()
    fake = G(torch.randn(4, 8, 1, 1))
    errD_fake = criterion(D(fake.detach()).view(-1), torch.zeros(4))
    errD_fake.backward()
    optD.step()
    G.zero_grad()
    errG = criterion(D(fake).view(-1), torch.ones(4))
    errG.backward()
    optG.step()
    print(step, repr(errD_real.item()), repr(errD_fake.item()), repr(errG.item()))
