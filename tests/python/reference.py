"""An independent reference in PyTorch: the models, losses and optimiser as the papers define them.

    python3 reference.py RUN.safetensors...

A RUN holds weights, batches, plans and noise values that the Rust side recorded; its metadata hold the
resolved recipe and the float type. Trains on each and prints a list of {"losses": [...], "scalars": [...],
"weights": {name: values}}. Nothing random is drawn here.
"""

import json
import math
import re
import sys
import tomllib

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

MASKED = 1


# Pieces of the papers.

def sincos_1d(width, position):
    """MAE, get_1d_sincos_pos_embed_from_grid."""
    omega = 1.0 / 10000 ** (np.arange(width // 2, dtype=np.float64) / (width / 2.0))
    out = np.einsum("m,d->md", position.reshape(-1), omega)
    return np.concatenate([np.sin(out), np.cos(out)], axis=1)


def sincos_2d(width, h, w, prefix):
    """MAE, get_2d_sincos_pos_embed: "here w goes first"."""
    grid = np.stack(np.meshgrid(np.arange(w, dtype=np.float64), np.arange(h, dtype=np.float64)), axis=0)
    table = np.concatenate([sincos_1d(width // 2, grid[0]), sincos_1d(width // 2, grid[1])], axis=1)
    return np.concatenate([np.zeros([prefix, width]), table], axis=0)


def relative_index(h, w):
    """BEiT's shared relative position index with a class token."""
    coords = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")).flatten(1)
    relative = (coords[:, :, None] - coords[:, None, :]).permute(1, 2, 0).contiguous()
    relative[:, :, 0] += h - 1
    relative[:, :, 1] += w - 1
    relative[:, :, 0] *= 2 * w - 1
    rows = (2 * h - 1) * (2 * w - 1) + 3
    index = torch.zeros((h * w + 1,) * 2, dtype=torch.long)
    index[1:, 1:] = relative.sum(-1)
    index[0, 0:] = rows - 3
    index[0:, 0] = rows - 2
    index[0, 0] = rows - 1
    return index


def timestep_embedding(t, width=256, max_period=10000):
    """DiT, TimestepEmbedder.timestep_embedding, in f64."""
    half = width // 2
    freqs = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float64, device=t.device) / half)
    args = t.double()[:, None] * freqs[None]
    return torch.cat([torch.cos(args), torch.sin(args)], dim=-1)


def patchify(images, p):
    """[N, C, H, W] -> [N, L, C*p*p], pixels of a patch in the order of a convolution's kernel."""
    return F.unfold(images, p, stride=p).transpose(1, 2)


def unpatchify(patches, p, h, w):
    return F.fold(patches.transpose(1, 2), (h, w), p, stride=p)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, bias):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        logits = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)
        if bias is not None:
            logits = logits + bias
        probs = logits.softmax(-1)
        return self.proj((probs @ v).transpose(1, 2).reshape(n, t, d)), probs


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Scale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, layer_scale):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.ls1 = Scale(dim) if layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, hidden)
        self.ls2 = Scale(dim) if layer_scale else nn.Identity()

    def forward(self, x, bias=None, keep=None):
        keep = torch.ones(2, x.shape[0], dtype=x.dtype, device=x.device) if keep is None else keep
        y, probs = self.attn(self.norm1(x), bias)
        x = x + self.ls1(y) * keep[0][:, None, None]
        x = x + self.ls2(self.mlp(self.norm2(x))) * keep[1][:, None, None]
        return x, probs


class CrossAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x, memory):
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(split(self.q(x)), split(self.k(memory)), split(self.v(memory)))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class CrossBlock(nn.Module):
    """DiffMAE's cross decoder: noised patches attend to the visible tokens only."""

    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = CrossAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x, memory):
        x = x + self.attn(self.norm1(x), memory)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, channels, p, dim):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, p, p)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


class Table(nn.Module):
    def __init__(self, rows, heads):
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, heads))


class LevelEmbed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        return self.mlp(timestep_embedding(t).to(self.mlp[0].weight.dtype))


class Decoder(nn.Module):
    def __init__(self, width_in, patch_values, settings, masks):
        super().__init__()
        dim, depth, heads = settings["dim"], settings["depth"], settings["heads"]
        self.cross = settings["kind"] == "cross-attention"
        self.embed = nn.Linear(width_in, dim)
        if self.cross:
            self.patch_embed = nn.Linear(patch_values, dim)
        if masks or self.cross:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            CrossBlock(dim, heads) if self.cross else Block(dim, heads, 4 * dim, False) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)


# Which tokens are kept: by sorting and gathering, as MAE does it, and not image by image, which a GPU would wait for.

def token_order(step):
    """Visible tokens first, each kind in ascending order, [N, L]."""
    return torch.argsort((step["roles"] == MASKED).int(), dim=1, stable=True)


def visible_tokens(step):
    """Every image has as many: `visible` where the step was told how many, so that no device is waited for."""
    count = step["visible"] if "visible" in step else int((step["roles"][0] != MASKED).sum())
    return token_order(step)[:, :count]


def masked_tokens(step):
    return token_order(step)[:, visible_tokens(step).shape[1]:]


def rows(x, index):
    """Tokens of [N, L, D] by index [N, K]."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


class Model(nn.Module):
    """Encoder, decoder and heads of one recipe."""

    def __init__(self, recipe, heads):
        super().__init__()
        self.recipe = recipe
        enc, data = recipe["encoder"], recipe["data"]
        dim, self.p, self.size = enc["dim"], enc["patch"], data["image_size"]
        self.grid = self.size // self.p
        tokens, values = self.grid**2, data["channels"] * self.p**2
        self.decoder_style = recipe["restoration"]["style"] == "decoder"
        self.patch_embed = PatchEmbed(data["channels"], self.p, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        if enc["position"] == "learned":
            self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, dim))
        elif enc["position"] == "sincos":
            self.register_buffer("fixed", torch.from_numpy(sincos_2d(dim, self.grid, self.grid, 1))[None], persistent=False)
        if enc["relative_bias"]:
            self.rel_pos_bias = Table((2 * self.grid - 1) ** 2 + 3, enc["heads"])
        self.blocks = nn.ModuleList(
            Block(dim, enc["heads"], int(dim * enc["mlp_ratio"]), enc["layer_scale"] > 0) for _ in range(enc["depth"])
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        if not self.decoder_style:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        dec = recipe["restoration"]["decoder"]
        width = dim
        if dec["kind"] != "linear":
            self.decoder = Decoder(dim, values, dec, self.decoder_style)
            width = dec["dim"]
            table = torch.from_numpy(sincos_2d(width, self.grid, self.grid, 1))
            self.decoder.register_buffer("positions", table, persistent=False)
        self.noise = recipe.get("noise")
        if self.noise and self.noise.get("embedding", "none") != "none":
            self.level_in = self.noise.get("embedded_in", "encoder")
            self.level_embed = LevelEmbed(dim if self.level_in == "encoder" else width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, out) for name, out in heads.items()})

    def level(self, step, side):
        if not hasattr(self, "level_embed") or self.level_in != side:
            return 0.0
        return self.level_embed(step["level"])[:, None]

    def positions(self, dtype):
        if hasattr(self, "pos_embed"):
            return self.pos_embed
        if hasattr(self, "fixed"):
            return self.fixed.to(dtype)
        return torch.zeros(1, 1, 1, dtype=dtype, device=self.cls_token.device).expand(1, 1 + self.grid**2, 1)

    def forward(self, step):
        images, masked = step["batch"], step["roles"] == MASKED
        gain, sigma = step["gain"][..., None], step["noise"][..., None]
        at = self.noise.get("at", "block:2") if self.noise else None
        substitutive = bool(self.noise) and self.noise.get("combination", "conjunctive") == "substitutive"
        noised = gain * patchify(images, self.p) + sigma * step["eps-pixels"] if self.noise else None
        seen = images
        if at == "pixels" and not (substitutive and self.decoder_style):
            seen = unpatchify(noised, self.p, self.size, self.size)
        x = self.patch_embed(seen)
        if not self.decoder_style and not substitutive:
            x = torch.where(masked[..., None], self.mask_token, x)
        if at == "pixels":
            x = x + self.level(step, "encoder")
        table = self.positions(x.dtype)
        x = x + table[:, 1:]
        if self.decoder_style:
            x = rows(x, visible_tokens(step))
        x = torch.cat([(self.cls_token + table[:, :1]).expand(len(x), 1, -1), x], dim=1)
        bias = None
        if hasattr(self, "rel_pos_bias"):
            index = relative_index(self.grid, self.grid)
            bias = self.rel_pos_bias.relative_position_bias_table[index].permute(2, 0, 1)
        attention = []
        for i, block in enumerate(self.blocks):
            if at == f"block:{i}":
                g = torch.cat([step["prefix"][:, :1], step["gain"]], 1)[..., None]
                s = torch.cat([step["prefix"][:, 1:], step["noise"]], 1)[..., None]
                x = g * x + s * step["eps-tokens"] + self.level(step, "encoder")
            x, probs = block(x, bias, step["drop"][i])
            attention.append(probs)
        x = self.restore(self.norm(x), step, masked, noised if substitutive and at == "pixels" else None)
        return {name: head(x) for name, head in self.heads.items()}, attention, noised

    def restore(self, x, step, masked, noised):
        if not hasattr(self, "decoder"):
            return x[:, 1:]
        dec, (n, l) = self.decoder, masked.shape
        width = dec.norm.weight.shape[0]
        table = dec.positions.to(x.dtype)
        level = self.level(step, "decoder")
        x = dec.embed(x)
        if dec.cross:
            memory, hidden = x, masked_tokens(step)
            x = dec.patch_embed(rows(noised, hidden)) if noised is not None else dec.mask_token.expand(*hidden.shape, -1)
            x = x + table[1:][hidden] + level
            for block in dec.blocks:
                x = block(x, memory)
            x = dec.norm(x)
            out = torch.zeros(n, l, width, dtype=x.dtype, device=x.device)
            return out.scatter(1, hidden[..., None].expand_as(x), x)
        patches = x[:, 1:] + level
        if self.decoder_style:
            hidden = dec.mask_token.expand(n, l - patches.shape[1], width)
            patches = rows(torch.cat([patches, hidden], 1), torch.argsort(token_order(step), 1))
        x = torch.cat([x[:, :1], patches], 1) + table
        for block in dec.blocks:
            x, _ = block(x)
        return dec.norm(x)[:, 1:]


# Losses.

def mae_loss(prediction, images, mask, p, norm_pix):
    """MAE, forward_loss, with its own patchify; the prediction comes in kernel order."""
    n, c, h, w = images.shape
    x = images.reshape(n, c, h // p, p, w // p, p)
    target = torch.einsum("nchpwq->nhwpqc", x).reshape(n, -1, p * p * c)
    prediction = prediction.unflatten(-1, (c, p, p)).permute(0, 1, 3, 4, 2).flatten(2)
    if norm_pix:
        mean = target.mean(dim=-1, keepdim=True)
        var = target.var(dim=-1, keepdim=True)
        target = (target - mean) / (var + 1.0e-6) ** 0.5
    loss = ((prediction - target) ** 2).mean(dim=-1)
    return (loss * mask).sum() / mask.sum()


def simmim_loss(prediction, images, mask, p):
    """SimMIM, forward: the mask repeated to pixels, L1 over the picture."""
    n, c, h, w = images.shape
    rec = unpatchify(prediction, p, h, w)
    mask = mask.reshape(n, h // p, w // p).repeat_interleave(p, 1).repeat_interleave(p, 2).unsqueeze(1)
    loss = F.l1_loss(images, rec, reduction="none")
    return (loss * mask).sum() / (mask.sum() + 1e-5) / c


def disruption(form, attention, roles):
    """Rows and columns picked one image at a time; attention holds one [N, h, T, T] per block."""
    gaps, there, back = [], [], []
    partner = 2 if (roles == 2).any() else 0
    for probs in attention:
        for image, role in zip(probs, roles):
            m, v = (1 + torch.nonzero(role == r).flatten() for r in (MASKED, partner))
            rows = image[:, m]
            gaps.append((math.log(image.shape[-1]) - torch.special.entr(rows).sum(-1)).flatten())
            there.append(image[:, m][:, :, v].sum(-1).flatten())
            back.append(image[:, v][:, :, m].sum(-1).flatten())
    there, back = torch.cat(there).mean(), torch.cat(back).mean()
    return {"row-entropy": torch.cat(gaps).mean(), "cross-mass": 0.5 * there + 0.5 * back, "one-way": back}[form]


def hog(images, p, bins=9):
    """Histograms of oriented gradients per patch, one vote at a time, [N, L, C*4*bins]."""
    cell = p // 2
    n, c, h, w = images.shape
    x = images.double().numpy()
    out = np.zeros((n, c, h // cell, w // cell, bins))
    for i, k, y, z in np.ndindex(n, c, h, w):
        plane = x[i, k]
        gx = plane[y, z + 1] - plane[y, z - 1] if 0 < z < w - 1 else 0.0
        gy = plane[y + 1, z] - plane[y - 1, z] if 0 < y < h - 1 else 0.0
        degrees = math.degrees(math.atan2(gy, gx)) % 180.0
        place = degrees / 180.0 * bins
        share = place - math.floor(place)
        histogram = out[i, k, y // cell, z // cell]
        histogram[int(place) % bins] += math.hypot(gx, gy) * (1 - share)
        histogram[(int(place) + 1) % bins] += math.hypot(gx, gy) * share
    out /= np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)
    g = h // p
    out = out.reshape(n, c, g, 2, g, 2, bins).transpose(0, 2, 4, 1, 3, 5, 6).reshape(n, g * g, -1)
    return torch.from_numpy(out)


def objective_loss(o, predictions, attention, noised, step, p):
    images, roles = step["batch"], step["roles"]
    if o["kind"] == "disruption":
        depth = len(attention)
        first = o["first"] if o["first_block"] < 0 else o["first_block"]
        return disruption(o["form"], attention[first:depth], roles)
    mask = {"masked": roles == MASKED, "visible": roles != MASKED, "all": roles >= 0}[o["on"]].to(images.dtype)
    target = o["target"]["kind"]
    prediction = predictions[o.get("head") or target]
    if target in ("pixels", "normalized-pixels") and o["distance"] == "l2":
        return mae_loss(prediction, images, mask, p, target == "normalized-pixels")
    if target == "pixels" and o["distance"] == "l1":
        return simmim_loss(prediction, images, mask, p)
    goal = {
        "pixels": lambda: patchify(images, p),
        "noise": lambda: step["eps-pixels"],
        "noised-pixels": lambda: noised,
        "hog": lambda: (step["hog"] if "hog" in step else hog(images, p)).to(images.dtype),
    }[target]()
    loss = {
        "l1": F.l1_loss,
        "l2": F.mse_loss,
        "smooth-l1": lambda a, b, reduction: F.smooth_l1_loss(a, b, reduction=reduction, beta=o["beta"]),
    }[o["distance"]](prediction, goal, reduction="none")
    return (loss.mean(-1) * mask).sum() / mask.sum()


# Training.

def rate(recipe, step, total, steps_per_epoch):
    """Linear warm-up, then a cosine or steps."""
    s, o = recipe["schedule"], recipe["optimizer"]
    scale = recipe["train"]["batch"] / o["lr_batch"] if o["lr_batch"] else 1.0
    base, low, floor = o["lr"] * scale, s["warmup_lr"] * scale, s["min_lr"] * scale
    warm = math.floor(min(s["warmup_epochs"] * steps_per_epoch, total / 2))
    if step < warm:
        return low + (base - low) * step / warm
    if s["shape"] == "cosine":
        return floor + (base - floor) * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
    if s["shape"] == "multistep":
        return base * s["gamma"] ** sum(step >= m * total for m in s["milestones"])
    return base


def decays(name):
    """Matrices decay; norms, biases, gains, tokens and tables don't."""
    return re.search(r"(?<!norm)(?<!norm\d)\.weight$", name) is not None


def load(path, dtype):
    with safe_open(path, "pt") as file:
        recipe = tomllib.loads(file.metadata()["recipe"])
        tensors = {name: file.get_tensor(name).to(dtype) for name in file.keys()}
    weights = {name.removeprefix("weight."): t for name, t in tensors.items() if name.startswith("weight.")}
    steps = {}
    for name, tensor in tensors.items():
        what, _, step = name.rpartition(".")
        if not name.startswith("weight."):
            steps.setdefault(int(step), {})[what] = tensor
    return recipe, weights, [steps[i] for i in sorted(steps)]


def build(recipe, weights, dtype):
    heads = {n.split(".")[1]: t.shape[0] for n, t in weights.items() if n.startswith("heads.") and n.endswith("weight")}
    model = Model(recipe, heads).to(dtype)
    proj = "patch_embed.proj.weight"
    own = dict(weights)
    own[proj] = own[proj].reshape(model.state_dict()[proj].shape)
    model.load_state_dict(own, strict=True)
    return model


def train(recipe, weights, steps, dtype):
    model = build(recipe, weights, dtype)
    at = (recipe.get("noise") or {}).get("at", "")
    objectives = [(name, dict(o, first=int(at[6:]) if at.startswith("block:") else 0))
                  for name, o in sorted(recipe["objective"].items())]
    o = recipe["optimizer"]
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in named if decays(n)], "weight_decay": o["weight_decay"]},
         {"params": [p for n, p in named if not decays(n)], "weight_decay": 0.0}],
        lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"])
    losses, scalars = [], []
    for i, step in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(recipe, i, len(steps), 5)
        predictions, attention, noised = model(step)
        parts = {name: objective_loss(obj, predictions, attention, noised, step, model.p) for name, obj in objectives}
        loss = sum(obj.get("weight", 1.0) * parts[name] for name, obj in objectives)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if o["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), o["clip"])
        optimizer.step()
        losses.append(loss.item())
        scalars.append({f"loss/{name}": part.item() for name, part in parts.items()})
    return model, losses, scalars


def run(path):
    with safe_open(path, "pt") as file:
        dtype = {"f32": torch.float32, "f64": torch.float64}[file.metadata()["dtype"]]
    model, losses, scalars = train(*load(path, dtype), dtype)
    weights = {name: p.detach().double().flatten().tolist() for name, p in model.named_parameters()}
    return {"losses": losses, "scalars": scalars, "weights": weights}


def main():
    torch.set_num_threads(1)
    print(json.dumps([run(path) for path in sys.argv[1:]]))


if __name__ == "__main__":
    main()
