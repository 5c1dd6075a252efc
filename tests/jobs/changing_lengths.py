import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

torch.manual_seed(12)
embedding = nn.Embedding(50, 16, sparse=True)
gru = nn.GRU(16, 24, batch_first=True)
head = nn.Linear(24, 2)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.gru, self.head = embedding, gru, head

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.gru(packed)[1][0])


model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(6):
    length = int(torch.randint(5, 15, ()))
    tokens, lengths = torch.randint(0, 50, (4, length)), torch.randint(1, length + 1, (4,))
    lengths[0] = length
    loss = nn.functional.cross_entropy(model(tokens, lengths), torch.randint(0, 2, (4,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, length, repr(loss.item()))
