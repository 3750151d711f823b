from make_golden import Call, Case, floats
from torch import nn
from torch.export import Dim

BATCH = Dim("batch", min=1, max=64)


class Last(nn.Module):
    """Every result of a recurrent layer, states flattened."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *states):
        out, state = self.layer(x, states if len(states) > 1 else states[0] if states else None)
        return (out, *state) if isinstance(state, tuple) else (out, state)


def case(layer, *states):
    return Case(Last(layer), (floats(2, 4, 3), *states), core=False)


CASES = {
    "lstm": case(nn.LSTM(3, 4, batch_first=True)),
    "lstm_two_layers_both_directions": case(nn.LSTM(3, 4, 2, bidirectional=True)),
    "lstm_without_bias": case(nn.LSTM(3, 4, bias=False)),
    "lstm_with_state": case(nn.LSTM(3, 4), floats(1, 4, 4), floats(1, 4, 4)),
    "lstm_dynamic": Case(Call(nn.LSTM(3, 4, batch_first=True)), (floats(2, 4, 3),), (({0: BATCH},),), ((floats(1, 4, 3),), (floats(3, 4, 3),)), core=False),
    "gru": case(nn.GRU(3, 4, batch_first=True)),
    "gru_two_layers_both_directions": case(nn.GRU(3, 4, 2, bidirectional=True)),
    "gru_with_state": case(nn.GRU(3, 4), floats(1, 4, 4)),
    "rnn_tanh": case(nn.RNN(3, 4, bidirectional=True)),
    "rnn_relu": case(nn.RNN(3, 4, nonlinearity="relu")),
}
