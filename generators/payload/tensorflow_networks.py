"""The networks in TensorFlow (Keras 3). Images come as (batch, height, width, channels)."""

from __future__ import annotations

import keras
from keras import layers, ops


def build(name: str, parameters: dict[str, float]) -> keras.Model:
    """The network `name`, a model from inputs to class scores; the scores are fp32 whatever the precision."""
    whole = {key: int(value) for key, value in parameters.items() if key != "learning_rate"}
    head = layers.Dense(whole["classes"], dtype="float32")
    if name == "transformer":
        return transformer(whole["vocabulary"], whole["sequence"], head)
    if name == "lstm":
        series = keras.Input((whole["sequence"], whole["features"]))
        return keras.Model(series, head(layers.LSTM(256)(layers.LSTM(256, return_sequences=True)(series))))
    image = keras.Input((whole["image_size"], whole["image_size"], whole["channels"]))
    body = {"mnist-cnn": mnist_cnn, "resnet50": resnet50, "mlp": mlp}[name]
    return keras.Model(image, head(body(image)))


def mnist_cnn(x: keras.KerasTensor) -> keras.KerasTensor:
    """The convolution network of the Keras MNIST example, which MODAK's evaluation used: 1,199,882 parameters
    at 28x28x1.
    """
    for layer in (
        layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Dropout(0.25),
        layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5),
    ):  # fmt: skip
        x = layer(x)
    return x


def mlp(x: keras.KerasTensor) -> keras.KerasTensor:
    """Two hidden layers of 512."""
    for layer in (
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
    ):
        x = layer(x)
    return x


def resnet50(x: keras.KerasTensor) -> keras.KerasTensor:
    """ResNet-50: 25,557,032 trainable parameters with 3 channels and 1,000 classes."""

    def convolve(
        x: keras.KerasTensor, filters: int, size: int, stride: int = 1, relu: bool = True
    ) -> keras.KerasTensor:
        if size > 1:
            x = layers.ZeroPadding2D(size // 2)(x)
        # Drawn as PyTorch draws its own, so that both frameworks start from the same network: with Keras'
        # default it learns more slowly.
        drawn = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        x = layers.Conv2D(filters, size, stride, use_bias=False, kernel_initializer=drawn)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        return layers.Activation("relu")(x) if relu else x

    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(convolve(x, 64, 7, 2)))
    for width, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            shortcut = convolve(x, 4 * width, 1, stride, relu=False) if block == 0 else x
            residual = convolve(convolve(convolve(x, width, 1), width, 3, stride), 4 * width, 1, relu=False)
            x = layers.Activation("relu")(layers.Add()([residual, shortcut]))
    return layers.GlobalAveragePooling2D()(x)


class Positions(layers.Layer):
    """A learnt vector for every position, added to the tokens."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.vectors = self.add_weight(
            shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02)
        )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + ops.cast(self.vectors, x.dtype)


def transformer(vocabulary: int, sequence: int, head: layers.Layer) -> keras.Model:
    """An encoder of 4 layers (d 256, 4 heads, feed-forward 1024) over tokens, averaged for a class."""
    tokens = keras.Input((sequence,), dtype="int64")
    x = Positions()(
        layers.Embedding(
            vocabulary, 256, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02)
        )(tokens)
    )
    for _ in range(4):
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        attended = layers.MultiHeadAttention(4, 64, dropout=0.1)(normal, normal)
        x = layers.Add()([x, layers.Dropout(0.1)(attended)])
        hidden = layers.Dense(1024, activation="gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = layers.Add()([x, layers.Dropout(0.1)(layers.Dense(256)(layers.Dropout(0.1)(hidden)))])
    return keras.Model(
        tokens, head(layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(x)))
    )
