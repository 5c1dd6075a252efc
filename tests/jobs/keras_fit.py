import sys

import keras
import numpy as np

keras.utils.set_random_seed(21)
model = keras.Sequential([keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(4)])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
generator = np.random.default_rng(21)
x, y = generator.standard_normal((64, 16, 16, 3), "float32"), generator.integers(0, 4, 64)
history = model.fit(x, y, batch_size=16, epochs=2, verbose=0)
print([repr(one) for one in history.history["loss"]])
model.save_weights(sys.argv[1])
