//! Noise in the space of principal components: Chen et al., "Deconstructing denoising diffusion models for
//! self-supervised learning" (l-DAE, 2024). Patches are projected on their first principal components, noise is added there,
//! and the result is projected back. The paper finds that a low-dimensional latent is what makes a
//! denoising autoencoder learn, and that this plain one serves as well as a learned tokeniser.
//!
//! The paper's components are those of the whole data set; here they are those of the batch, by subspace iteration, so the
//! plug-in needs no file, works at any injection point, and a batch is not split.

use palimpsest_sdk::prelude::*;

/// Noise on the first principal components.
#[derive(Parameters)]
struct PcaNoise {
    /// Components that carry noise.
    #[param(default = 16, range = 1..=1024)]
    components: usize,
    /// Standard deviation of the noise on each component, in those of the first one.
    #[param(default = 0.5, range = 0.0..=100.0)]
    std: f64,
    /// Whether the other components are dropped, as l-DAE does.
    #[param(default = true)]
    truncate: bool,
    /// Steps of the subspace iteration.
    #[param(default = 4, range = 1..=64)]
    iterations: usize,
}

impl Corruption for PcaNoise {
    const ID: &'static str = "org.palimpsest.pca-noise";
    const SUMMARY: &'static str = "noise on the principal components of patches (l-DAE)";
    const EQUAL_COUNTS: bool = true;
    const MIXES: bool = true;

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let width = geometry.patch_values().min(geometry.dim);
        if self.components <= width {
            return Ok(());
        }
        Err(Error::user(format!("{} components of tokens with {width} values", self.components))
            .at("corruption.components")
            .help(format!("choose up to {width}")))
    }

    fn plan(&self, _: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        // `apply` makes the noise, on every patch.
        plan.images().for_each(|mut image| image.roles_mut().fill(Role::Noised));
        Ok(())
    }
}

impl Apply for PcaNoise {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        let (ops, all, prefix) = (application.ops(), application.tokens(), application.prefix());
        let [batch, n, width] = [all.shape()[0], all.shape()[1], all.shape()[2]];
        let count = n - prefix;
        let dtype = all.dtype();
        let patches = if prefix > 0 { all.narrow(1, prefix, count)? } else { all };
        let flat = patches.reshape(&[batch * count, width])?;
        // The basis is a fact about the batch: no gradient flows through it.
        let still = flat.detach()?;
        let mean = still.mean(&[0])?;
        let centred = still.sub(mean)?;
        let (basis, first) = self.basis(centred)?;
        let basis = ops.from_slice(&basis, &[width, self.components])?.cast(dtype)?;

        let back = basis.transpose(0, 1)?;
        let eps = ops.random_normal(&[batch, count, self.components], dtype)?;
        let noise = eps.reshape(&[batch * count, self.components])?.mul_scalar(self.std * first)?;
        let noised = if self.truncate {
            flat.sub(mean)?.matmul(basis)?.add(noise)?.matmul(back)?.add(mean)?
        } else {
            flat.add(noise.matmul(back)?)?
        };
        let noised = noised.reshape(&[batch, count, width])?;
        if prefix == 0 {
            return Ok(noised);
        }
        ops.concat(&[all.narrow(1, 0, prefix)?, noised], 1)
    }
}

impl PcaNoise {
    /// The first principal components of centred rows [M, W], as [W, components] with orthonormal columns, and
    /// the standard deviation along the first.
    fn basis(&self, centred: Tensor<'_>) -> Result<(Vec<f32>, f64)> {
        let [rows, width] = [centred.shape()[0], centred.shape()[1]];
        let k = self.components;
        let centred = centred.cast(DType::F32)?;
        let covariance = centred.transpose(0, 1)?.matmul(centred)?.mul_scalar(1.0 / rows as f64)?;
        // Waves are a good start: the components of natural patches are close to them.
        let wave = |i: usize, j: usize| {
            (std::f64::consts::PI * (i as f64 + 0.5) * j as f64 / width as f64).cos() as f32
        };
        let mut basis: Vec<f32> = (0..width * k).map(|at| wave(at / k, at % k)).collect();
        orthonormalise(&mut basis, k);
        let mut first = 0.0;
        for _ in 0..self.iterations {
            let next = centred.ops().from_slice(&basis, &[width, k])?;
            // Small: [W, components].
            basis = covariance.matmul(next)?.to_vec::<f32>()?;
            first = column(&basis, k, 0).map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            orthonormalise(&mut basis, k);
        }
        Ok((basis, first.sqrt()))
    }
}

fn column(matrix: &[f32], k: usize, j: usize) -> impl Iterator<Item = f32> {
    matrix.iter().skip(j).step_by(k).copied()
}

/// Orthonormal columns that span the same space (Gram and Schmidt, twice, in f64). A column that depends on those
/// before it becomes zero.
fn orthonormalise(matrix: &mut [f32], k: usize) {
    let width = matrix.len() / k;
    let mut columns: Vec<Vec<f64>> = (0..k).map(|j| column(matrix, k, j).map(f64::from).collect()).collect();
    for j in 0..k {
        let (before, rest) = columns.split_at_mut(j);
        let own = &mut rest[0];
        let length = own.iter().map(|x| x * x).sum::<f64>().sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let dot: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let left = own.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale = if left > 1e-6 * length { 1.0 / left } else { 0.0 };
        own.iter_mut().for_each(|x| *x *= scale);
    }
    for i in 0..width {
        for j in 0..k {
            matrix[i * k + j] = columns[j][i] as f32;
        }
    }
}

export_plugin!(PcaNoise);

#[cfg(test)]
mod tests {
    use super::*;
    use palimpsest_sdk::testing::{Array, Case};

    /// Tokens [2, 16, 48] along two directions, e0 ten times as far as e1.
    fn tokens() -> Array {
        Array::from_fn(&[2, 16, 48], |i| {
            let (token, at) = (i / 48, i % 48);
            match at {
                0 => 10.0 * (token as f64).sin(),
                1 => (1.7 * token as f64).cos(),
                _ => 0.0,
            }
        })
    }

    fn run(strategy: PcaNoise) -> Array {
        let case = Case::new(Geometry::of_grid(4, 4), 2, 1);
        case.apply(strategy, Injection::Pixels, &tokens()).expect("noised")
    }

    #[test]
    fn without_noise_the_components_give_the_tokens_back() {
        let strategy = PcaNoise { components: 2, std: 0.0, truncate: true, iterations: 12 };
        let out = run(strategy);
        for (a, b) in out.data.iter().zip(&tokens().data) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn noise_stays_in_the_space_of_the_components() {
        let strategy = PcaNoise { components: 1, std: 0.5, truncate: false, iterations: 12 };
        let out = run(strategy);
        let mut power = [0.0; 2];
        for (i, (a, b)) in out.data.iter().zip(&tokens().data).enumerate() {
            power[usize::from(i % 48 != 0)] += (a - b).powi(2);
        }
        // The deviation along e0 is about 7, half of that is added: 32 draws.
        let deviation = (power[0] / 32.0).sqrt();
        assert!((2.0..5.5).contains(&deviation), "{deviation}");
        assert!(power[1] < 1e-3 * power[0], "{power:?}");
    }
}
