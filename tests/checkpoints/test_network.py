"""The network: against formulas by hand, against itself step by step, and after widening."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="checkpoints need frontier-kit[torch]")

from frontier.checkpoints.drafting import draft_mask, drafted_logits, drafter_loss  # noqa: E402 - after the check for torch
from frontier.checkpoints.evaluation import acceptance, greedy, heldout_loss  # noqa: E402
from frontier.checkpoints.growth import halved, widened_network  # noqa: E402
from frontier.checkpoints.network import Network, Norm, rotary, rotate  # noqa: E402
from frontier.checkpoints.pairs import learn_pairs, pair_shares  # noqa: E402
from frontier.checkpoints.spec import Shape, Stage  # noqa: E402
from frontier.checkpoints.trained import initial, start_drafter  # noqa: E402
from frontier.checkpoints.training import Masters, learning_rate  # noqa: E402

SHAPE = Shape(width=16, layers=2, mlp_width=24, heads=4, kv_heads=2, head_dim=6, vocabulary=40)


@pytest.fixture
def network() -> Network:
    made = initial(SHAPE, seed=3)
    with torch.no_grad():
        for parameter in made.parameters():  # large enough that its predictions differ by more than rounding
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.3, generator=torch.Generator().manual_seed(4)))
    return made


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, SHAPE.vocabulary, (3, 12), generator=torch.Generator().manual_seed(5))


def test_a_norm_by_hand() -> None:
    # Mean square of (3, 4) is 12.5; scaled by (1, 2).
    norm = Norm(2, 0.0)
    norm.weight.data = torch.tensor([1.0, 2.0])
    assert norm(torch.tensor([3.0, 4.0])).tolist() == pytest.approx([3 / math.sqrt(12.5), 8 / math.sqrt(12.5)])


def test_rotation_turns_pairs_half_a_head_apart() -> None:
    # head_dim 2 has one pair (x0, x1) and the rate 1: position p turns it by p radians.
    turned = rotate(torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]]), rotary(torch.tensor([0, 2]), 2, 10_000.0))
    assert turned.flatten().tolist() == pytest.approx([1.0, 3.0, math.cos(2) - 3 * math.sin(2), 3 * math.cos(2) + math.sin(2)])


def test_rates_of_the_rotation() -> None:
    # head_dim 4, theta 100: rates 100^0 = 1 and 100^(-1/2) = 0.1, halves repeated.
    cos, _ = rotary(torch.tensor([1]), 4, 100.0)
    assert cos[0].tolist() == pytest.approx([math.cos(1), math.cos(0.1), math.cos(1), math.cos(0.1)])


def test_a_token_does_not_see_later_ones(network: Network, tokens: torch.Tensor) -> None:
    other = tokens.clone()
    other[:, 7:] = (other[:, 7:] + 1) % SHAPE.vocabulary
    before, after = network.logits(network.hidden(tokens)), network.logits(network.hidden(other))
    assert torch.allclose(before[:, :7], after[:, :7], atol=1e-5)
    assert not torch.allclose(before[:, 7:], after[:, 7:], atol=1e-2)


def test_greedy_with_kept_keys_is_greedy_without(network: Network, tokens: torch.Tensor) -> None:
    slow = tokens
    for _ in range(5):
        slow = torch.cat([slow, network.logits(network.hidden(slow))[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy(network, tokens, 5), slow)


def test_widening_changes_nothing_and_tells_the_halves_apart(tokens: torch.Tensor) -> None:
    small = initial(halved(SHAPE), seed=3)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.2, generator=torch.Generator().manual_seed(4)))
    grown = widened_network(small, SHAPE, seed=9)
    assert torch.allclose(grown.logits(grown.hidden(tokens)), small.logits(small.hidden(tokens)), atol=1e-4)
    weight = grown.layers()[0].mlp.down_proj.weight
    left, right = weight.chunk(2, dim=1)
    assert float((left - right).detach().abs().mean()) > 0.05


def test_the_mask_of_the_second_and_third_draft_by_hand() -> None:
    # Four places. Draft 2 at place j: the first draft's keys up to j - 1, and its own at j.
    assert draft_mask(4, 2).int().tolist() == [
        [0, 0, 0, 0, 1, 0, 0, 0],
        [1, 0, 0, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 0, 0, 1, 0],
        [1, 1, 1, 0, 0, 0, 0, 1],
    ]
    # Draft 3 at place 3 started at 1: first keys 0 and 1, the second draft's at 2, its own at 3.
    assert draft_mask(4, 3)[3].int().tolist() == [1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def drafts_one_by_one(network: Network, tokens: torch.Tensor, start: int, drafts: int) -> list[int]:
    """What an engine does for one sequence: the layer over all true states up to ``start``, then one position at a time on its own output."""
    hidden = network.hidden(tokens[None])[:, : start + 1]
    following = tokens[None, 1 : start + 2]
    positions, memory, out = torch.arange(start + 1), None, []
    for number in range(drafts):
        states, memory = network.drafter.draft(hidden, network.embed(following), positions, network.turn(positions), memory)
        out.append(int(network.lm_head(states[:, -1]).argmax()))
        hidden, following, positions = states[:, -1:], torch.tensor([[out[-1]]]), torch.tensor([start + number + 1])
    return out


def test_drafts_at_all_places_are_those_of_an_engine(network: Network, tokens: torch.Tensor) -> None:
    logits = drafted_logits(network, tokens, network.hidden(tokens), 3, given=False)
    for row in range(3):
        for start in range(8):
            slow = drafts_one_by_one(network, tokens[row], start, 3)
            assert [int(logits[number][row, start + number].argmax()) for number in range(3)] == slow


def test_drafts_do_not_see_later_tokens(network: Network, tokens: torch.Tensor) -> None:
    # Draft k of the chain at s reads tokens up to s + 1 and, when given, those of the drafts before it: s + k.
    other = tokens.clone()
    other[:, 8:] = (other[:, 8:] + 1) % SHAPE.vocabulary
    before = drafted_logits(network, tokens, network.hidden(tokens), 3, given=True)
    after = drafted_logits(network, other, network.hidden(other), 3, given=True)
    for number in range(3):
        assert torch.allclose(before[number][:, number:7], after[number][:, number:7], atol=1e-5)
        assert not torch.allclose(before[number][:, 7:], after[number][:, 7:], atol=1e-2)


def test_position_zero_reads_no_embedding(network: Network, tokens: torch.Tensor) -> None:
    turn = network.turn(torch.arange(1))
    hidden = network.hidden(tokens[:, :1])
    first, _ = network.drafter.draft(hidden, network.embed(tokens[:, 1:2]), torch.arange(1), turn)
    other, _ = network.drafter.draft(hidden, network.embed(tokens[:, 2:3]), torch.arange(1), turn)
    assert torch.equal(first, other)


def test_the_trunk_is_not_trained_by_the_drafter(network: Network, tokens: torch.Tensor) -> None:
    start_drafter(network)
    drafter_loss(network, tokens, 3).backward()
    assert network.layers()[0].mlp.up_proj.weight.grad is None
    assert network.drafter.mlp.up_proj.weight.grad is not None


def test_shares_of_pairs_by_hand() -> None:
    # 0 1 0 1 1: pairs 01, 10, 01, 11. Single tokens 2 and 3, each 0.1 more: shares 2.1/5.2 and 3.1/5.2, of 4 prior pairs per first token.
    shares = pair_shares(torch.tensor([0, 1, 0, 1, 1]), 2)
    prior = [4 * 2.1 / 5.2, 4 * 3.1 / 5.2]
    assert (shares * 12).tolist() == [pytest.approx([prior[0], 2 + prior[1]]), pytest.approx([1 + prior[0], 1 + prior[1]])]


def test_pairs_are_learnt(network: Network) -> None:
    # Token n is always followed by n + 1: after a start on pairs the network says so wherever a token stands.
    stream = torch.arange(400) % SHAPE.vocabulary
    plain = initial(SHAPE, seed=3)
    learn_pairs(plain, stream.repeat(20), Stage(60, 1, 8, 0.05, 3, weight_decay=0.0), None)
    assert plain.embedding.weight.square().mean(dim=1).tolist() == pytest.approx([1.0] * SHAPE.vocabulary)
    assert float((plain.logits(plain.hidden(stream[None, :80])).argmax(-1)[0, :-1] == stream[1:80]).float().mean()) > 0.9


def test_rows_of_the_vocabulary_move_at_their_share(network: Network) -> None:
    # Adam's first step is the learning rate times the sign of the gradient, whatever its size.
    stage = Stage(1, 1, 8, 0.01, 0, vocabulary_share=0.1, weight_decay=0.0)
    slow, plain = network.lm_head.weight, network.layers()[0].mlp.up_proj.weight
    before = slow.detach().clone(), plain.detach().clone()
    slow.grad, plain.grad = torch.ones_like(slow), torch.ones_like(plain)
    Masters([slow, plain], stage, [slow]).step(0)
    assert float((before[0] - slow.detach()).mean()) == pytest.approx(0.001, rel=1e-3)
    assert float((before[1] - plain.detach()).mean()) == pytest.approx(0.01, rel=1e-3)


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    # Two steps up, eight down to a fifth: half-way down, after step 6, it is the mean of 1 and 0.2.
    stage = Stage(10, 1, 8, 1.0, 2, last_share=0.2)
    rates = [learning_rate(stage, number) for number in range(11)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.6)
    assert rates[10] == pytest.approx(0.2)


def test_acceptance_counts_as_a_server_does(network: Network, tokens: torch.Tensor) -> None:
    prompts = tokens[:, :5]
    measured = acceptance(network, prompts, 20, 3)
    steps, accepted = 0, [0, 0, 0]
    for row in greedy(network, prompts, 20):
        place = 4
        while place < len(row) - 4:
            drafts = drafts_one_by_one(network, row, place, 3)
            right = 0
            while right < 3 and drafts[right] == int(row[place + 2 + right]):
                accepted[right] += 1
                right += 1
            steps += 1
            place += right + 1
    assert measured["steps"] == steps
    assert measured["by_position"] == [count / steps for count in accepted]
    assert measured["mean_length"] == pytest.approx(1 + sum(accepted) / steps)


def test_a_network_that_repeats_itself_accepts_every_draft(tokens: torch.Tensor) -> None:
    # All matrices but the output one are zero in effect: whatever the state, token 7 wins, for the trunk and for the drafter.
    network = initial(SHAPE, seed=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.final_norm.weight.fill_(1.0)
        network.drafter.final_layernorm.weight.fill_(1.0)
        network.model["embed_tokens"].weight.fill_(1.0)
        network.drafter.self_attn.v_proj.bias.fill_(1.0)
        network.drafter.self_attn.o_proj.weight.fill_(1.0)
        network.lm_head.weight[7] = 1.0
    measured = acceptance(network, tokens, 12, 3)
    assert measured["by_position"] == [1.0, 1.0, 1.0]
    assert measured["mean_length"] == 4.0


def test_the_loss_of_equal_logits_is_that_of_a_fair_die(tokens: torch.Tensor) -> None:
    network = initial(SHAPE, seed=1)
    torch.nn.init.zeros_(network.lm_head.weight)
    loss = heldout_loss(network, tokens, torch.full((SHAPE.vocabulary,), 2))
    assert loss.nats_per_token == pytest.approx(math.log(40))
    assert loss.bits_per_byte == pytest.approx(math.log2(40) / 2)
    assert loss.tokens == 33
