//! Each operation of a `Tensor`, on the test host, against PyTorch 2.11.
//!
//! Of each result its shape and the sum of its elements times cos 0, cos 1, cos 2, … were taken from PyTorch in f64, which
//! tells values and their order. Both sum a few dozen numbers near 1, so 1e-12 is far above rounding.

use palimpsest_sdk::export::{Arguments, abi::corruption::Parameter};
use palimpsest_sdk::prelude::*;
use palimpsest_sdk::testing::{Array, Case};

/// Runs a function on tokens.
struct Doing(for<'call> fn(&Application<'call>) -> Result<()>);

impl Parameters for Doing {
    const PARAMETERS: &'static [Parameter] = &[];

    fn from_arguments(_: &Arguments) -> Self {
        Self(|_| Ok(()))
    }
}

impl Corruption for Doing {
    const ID: &'static str = "org.palimpsest.test.doing";
    const SUMMARY: &'static str = "runs a function on tokens";
    const INJECTS: bool = true;

    fn plan(&self, _: &PlanRequest<'_>, plan: &mut Plan<'_>) -> Result<()> {
        plan.image(1).add_noise(2, 0.5, 0.25);
        Ok(())
    }
}

impl Apply for Doing {
    fn apply<'call>(&self, application: &Application<'call>) -> Result<Tensor<'call>> {
        self.0(application)?;
        Ok(application.tokens())
    }
}

/// On [2, 3, 4] of sin 0, sin 1, sin 2, …
fn on_tokens(work: for<'call> fn(&Application<'call>) -> Result<()>) -> Result<()> {
    let data = (0..24).map(|i| f64::from(i).sin()).collect();
    let tokens = Array { dtype: DType::F64, shape: vec![2, 3, 4], data };
    Case::new(Geometry::of_grid(1, 3), 2, 1).apply(Doing(work), Injection::Embedding, &tokens)?;
    Ok(())
}

fn check(what: &str, found: Result<Tensor<'_>>, shape: &[usize], due: f64) -> Result<()> {
    let found = found?;
    assert_eq!(found.shape(), shape, "{what}");
    let values: Vec<f64> = found.to_vec()?;
    let sum: f64 = values.iter().enumerate().map(|(i, v)| v * (i as f64).cos()).sum();
    assert!((sum - due).abs() < 1e-12, "{what}: {sum}, PyTorch {due}");
    Ok(())
}

#[test]
fn operations_are_pytorchs() {
    on_tokens(|application| {
        let (ops, x) = (application.ops(), application.tokens());
        let y: Vec<f64> = (0..24).map(|i| (f64::from(i) * 0.7).cos()).collect();
        let y = ops.from_slice(&y, &[2, 3, 4])?;
        let row = ops.from_slice(&[0.5, -1.0, 2.0, 0.25], &[4])?;
        let some = ops.from_slice(&[2_i64, 0, 2], &[3])?;
        let at = ops.from_slice(&[3_i64, 0, 1, 1, 2, 0, 0, 2, 3, 3, 1, 0], &[2, 3, 2])?;
        check("x.neg()", x.neg(), &[2, 3, 4], -0.4553448076908327)?;
        check("x.exp()", x.exp(), &[2, 3, 4], -0.23309789689038696)?;
        check(
            "x.abs()?.add_scalar(1.0)?.log()",
            x.abs()?.add_scalar(1.0)?.log(),
            &[2, 3, 4],
            -0.33527241737632213,
        )?;
        check("x.abs()?.sqrt()", x.abs()?.sqrt(), &[2, 3, 4], -0.5835822224705335)?;
        check("x.tanh()", x.tanh(), &[2, 3, 4], 0.3716007964236989)?;
        check("x.erf()", x.erf(), &[2, 3, 4], 0.41453108617432466)?;
        check("x.sin()", x.sin(), &[2, 3, 4], 0.40341947761553676)?;
        check("x.cos()", x.cos(), &[2, 3, 4], -0.3603002022812472)?;
        check("x.mul_scalar(-2.5)", x.mul_scalar(-2.5), &[2, 3, 4], -1.138362019227081)?;
        check(
            "x.add_scalar(2.0)?.pow_scalar(1.5)",
            x.add_scalar(2.0)?.pow_scalar(1.5),
            &[2, 3, 4],
            -0.674248866838512,
        )?;
        check("x.clamp(-0.5, 0.25)", x.clamp(-0.5, 0.25), &[2, 3, 4], 0.27054994246700503)?;
        check("x.add(row)", x.add(row), &[2, 3, 4], -0.4242573348056148)?;
        check("x.sub(y)", x.sub(y), &[2, 3, 4], -1.4641413274556847)?;
        check("row.mul(x)", row.mul(x), &[2, 3, 4], -0.6911432978078407)?;
        check("x.div(y)", x.div(y), &[2, 3, 4], 7.475807985664549)?;
        check("x.less(y)?.where_(x, y)", x.less(y)?.where_(x, y), &[2, 3, 4], 1.7269353877115377)?;
        check("x.equal(x)?.cast(DType::F64)", x.equal(x)?.cast(DType::F64), &[2, 3, 4], -0.5409145400192978)?;
        check("x.sum(&[0, 2])", x.sum(&[0, 2]), &[1, 3, 1], 1.3806477240247736)?;
        check("x.mean(&[1])", x.mean(&[1]), &[2, 1, 4], 0.25624214377774074)?;
        check("x.max(&[0, 2])", x.max(&[0, 2]), &[1, 3, 1], 0.9338604253629503)?;
        check("x.min(&[1])", x.min(&[1]), &[2, 1, 4], -1.3395637856395097)?;
        check("x.variance(&[1, 2])", x.variance(&[1, 2]), &[2, 1, 1], 0.7549085778561264)?;
        check(
            "x.argmax(2)?.cast(DType::F64)",
            x.argmax(2)?.cast(DType::F64),
            &[2, 3, 1],
            -0.32000893818730747,
        )?;
        check(
            "x.argsort(2, true)?.cast(DType::F64)",
            x.argsort(2, true)?.cast(DType::F64),
            &[2, 3, 4],
            -2.0868435674534487,
        )?;
        check(
            "x.argsort(1, false)?.cast(DType::F64)",
            x.argsort(1, false)?.cast(DType::F64),
            &[2, 3, 4],
            0.566136258990686,
        )?;
        check("x.softmax()", x.softmax(), &[2, 3, 4], 0.24594487964504888)?;
        check("x.softmax()?.row_entropy()", x.softmax()?.row_entropy(), &[2, 3, 1], -0.29172131491611075)?;
        check("x.reshape(&[6, 4])", x.reshape(&[6, 4]), &[6, 4], 0.4553448076908327)?;
        check("x.permute(&[2, 0, 1])", x.permute(&[2, 0, 1]), &[4, 2, 3], 1.2983085525324856)?;
        check("x.transpose(1, 2)", x.transpose(1, 2), &[2, 4, 3], -1.2177476150104316)?;
        check("x.narrow(2, 1, 2)", x.narrow(2, 1, 2), &[2, 3, 2], 2.857072693165471)?;
        check("ops.concat(&[x, y], 1)", ops.concat(&[x, y], 1), &[2, 6, 4], 4.009446646131356)?;
        check("x.pad(2, 1, 2, 0.5)", x.pad(2, 1, 2, 0.5), &[2, 3, 7], 0.24731677362005522)?;
        check(
            "x.narrow(1, 0, 1)?.expand(&[2, 5, 4])",
            x.narrow(1, 0, 1)?.expand(&[2, 5, 4]),
            &[2, 5, 4],
            0.34651791679053096,
        )?;
        check("x.gather(at, 2)", x.gather(at, 2), &[2, 3, 2], 1.5010220391656857)?;
        check("x.index_select(some, 1)", x.index_select(some, 1), &[2, 3, 4], 7.819772269314607)?;
        check(
            "x.scatter_add(at, y.narrow(2, 0, 2)?, 2)",
            x.scatter_add(at, y.narrow(2, 0, 2)?, 2),
            &[2, 3, 4],
            -0.9814810290897429,
        )?;
        check("x.matmul(y.transpose(1, 2)?)", x.matmul(y.transpose(1, 2)?), &[2, 3, 3], 0.5886314659322874)?;
        check("x.lerp(y, 0.3)", x.lerp(y, 0.3), &[2, 3, 4], 0.8945872059275379)?;
        check(
            "x.reshape(&[1, 2, 3, 4])?.interpolate(5, 7, Interpolation::Bilinear)",
            x.reshape(&[1, 2, 3, 4])?.interpolate(5, 7, Interpolation::Bilinear),
            &[1, 2, 5, 7],
            -1.8288374583599833,
        )?;
        check(
            "x.reshape(&[1, 2, 3, 4])?.interpolate(2, 6, Interpolation::Nearest)",
            x.reshape(&[1, 2, 3, 4])?.interpolate(2, 6, Interpolation::Nearest),
            &[1, 2, 2, 6],
            -5.017501101421146,
        )?;
        check(
            "x.reshape(&[1, 2, 3, 4])?.conv2d(y.reshape(&[3, 2, 2, 2])?, 2, 1)",
            x.reshape(&[1, 2, 3, 4])?.conv2d(y.reshape(&[3, 2, 2, 2])?, 2, 1),
            &[1, 3, 2, 3],
            3.550145037556672,
        )?;
        check("x.detach()", x.detach(), &[2, 3, 4], 0.4553448076908327)?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn tensors_are_made_and_read() {
    on_tokens(|application| {
        let ops = application.ops();
        assert_eq!(ops.full(&[2], 1.5, DType::F32)?.to_vec::<f32>()?, [1.5; 2]);
        assert_eq!(ops.ones(&[], DType::I64)?.to_vec::<i64>()?, [1]);
        assert_eq!(ops.zeros(&[0, 3], DType::F64)?.count(), 0);
        let truth = ops.from_slice(&[true, false, true], &[3])?;
        assert_eq!(truth.to_vec::<bool>()?, [true, false, true]);
        assert_eq!((truth.dtype(), truth.rank()), (DType::Bool, 1));
        // bfloat16 keeps 8 bits of 1 + 2^-8: a tie, to even.
        let short = ops.full(&[1], 1.0 + 1.0 / 256.0, DType::F64)?.cast(DType::Bf16)?.cast(DType::F64)?;
        assert_eq!(short.to_vec::<f64>()?, [1.0]);

        // An image's values stay with it: the first extent is the batch.
        let normal = ops.random_normal(&[2, 1000], DType::F64)?;
        let again = ops.random_normal(&[2, 1000], DType::F64)?;
        assert_eq!(normal.to_vec::<f64>()?, again.to_vec::<f64>()?);
        let mean = normal.mean(&[0, 1])?.to_vec::<f64>()?[0];
        // Five standard errors.
        assert!(mean.abs() < 5.0 / 2000.0_f64.sqrt(), "{mean}");
        let uniform = ops.random_uniform(&[2, 1000], DType::F64)?.to_vec::<f64>()?;
        assert!(uniform.iter().all(|v| (0.0..1.0).contains(v)));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_application_tells_its_plan() {
    on_tokens(|application| {
        let noised =
            [Role::Visible, Role::Visible, Role::Visible, Role::Visible, Role::Visible, Role::Noised];
        assert_eq!(application.roles(), noised);
        assert_eq!((application.plan_gain()[5], application.plan_noise()[5]), (0.5, 0.25));
        let (x, z) = (application.tokens().to_vec::<f64>()?, application.noised()?.to_vec::<f64>()?);
        assert_eq!(x[..20], z[..20]);
        assert!((20..24).all(|i| (z[i] - 0.5 * x[i]).abs() < 1.5 && z[i] != x[i]));
        assert!(application.kept().is_none() && application.prefix() == 0);
        assert_eq!((application.injection(), application.request().batch), (Injection::Embedding, 2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn errors_are_passed_on() {
    for (work, want) in [
        (
            (|application| {
                let x = application.tokens();
                x.matmul(x).map(drop)
            }) as for<'call> fn(&Application<'call>) -> Result<()>,
            "matmul(f64[2, 3, 4], f64[2, 3, 4]): inner extents differ",
        ),
        (
            |application| application.tokens().narrow(2, 3, 2).map(drop),
            "narrow(f64[2, 3, 4]): 3..5 is outside axis 2",
        ),
        (
            |application| application.tokens().to_vec::<f32>().map(drop),
            "elements of f64[2, 3, 4] read as f32; cast to f32 first",
        ),
        (
            |application| application.ops().from_slice(&[1.0_f32], &[2]).map(drop),
            "1 elements for the shape [2]",
        ),
        (|_| panic!("on purpose"), "the strategy panicked: on purpose"),
    ] {
        assert_eq!(on_tokens(work).unwrap_err().to_string(), want);
    }
}
