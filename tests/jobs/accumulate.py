import torch
from torch import nn

torch.manual_seed(8)
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
right = 0
for step in range(12):
    x, y = torch.randn(8, 3, 16, 16), torch.randint(0, 10, (8,))
    out = model(x)
    with torch.no_grad():
        right += (out.argmax(1) == y).sum().item()
    loss = nn.functional.cross_entropy(out, y) / 4
    loss.backward()
    if step % 4 == 3:
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        print(step, repr(loss.item()), repr(norm.item()), right, scheduler.get_last_lr())
