"""PCB: a head for each horizontal stripe, each with an identity loss."""

from __future__ import annotations

import loss_twins as twins
import torch
from small_batches import small_batch, small_losses, small_network, without_gradient

from svrn.config.parameters import Inference
from svrn.parts.output import Seen, Targets


def test_each_stripe_is_the_mean_of_its_rows_through_its_own_head() -> None:
    net = small_network("pcb", stripes=2, length=8).eval()
    images, labels = small_batch()
    features = net.run_blocks(images)  # a map of 4 x 4
    output = net(Seen(images, labels))
    assert len(output.branches) == 2
    for stripe, branch in enumerate(output.branches):
        head, pooled = net.heads[stripe], torch.zeros(len(images), features.shape[1])
        for row in (2 * stripe, 2 * stripe + 1):
            for column in range(4):
                pooled += features[:, :, row, column] / 8
        feature = torch.relu(head.reduction_bn(head.reduction(pooled)))
        torch.testing.assert_close(branch.feature, feature)
        torch.testing.assert_close(branch.normed, head.neck(feature))
        torch.testing.assert_close(branch.logits, head.classifier(head.neck(feature)))
    joined = net.embed(images, Inference(fusion="concat", after_bn=False, flip=False))
    torch.testing.assert_close(joined, torch.cat([one.feature for one in output.branches], 1))


def test_the_loss_is_the_stripes_cross_entropies_summed_and_reaches_all() -> None:
    net = small_network("pcb", stripes=2, length=8).train()
    images, labels = small_batch()
    output = net(Seen(images, labels))
    made = small_losses("pcb")(output, Targets(labels))
    wanted = twins.identity([one.logits for one in output.branches], labels.tolist(), 0.0)
    torch.testing.assert_close(made.total, wanted)
    assert set(made.parts) == {"identity"}
    made.total.backward()
    assert without_gradient(net) == []
