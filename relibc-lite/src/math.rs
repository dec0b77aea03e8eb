//! `math.h`: the functions of C99 for double and float, from `libm`.

use core::ffi::{c_int, c_long};

macro_rules! unary {
    ($($double:ident $float:ident)*) => { $(
        #[doc = concat!("C `", stringify!($double), "`.")]
        #[unsafe(no_mangle)]
        extern "C" fn $double(x: f64) -> f64 {
            libm::$double(x)
        }

        #[doc = concat!("C `", stringify!($float), "`.")]
        #[unsafe(no_mangle)]
        extern "C" fn $float(x: f32) -> f32 {
            libm::$float(x)
        }
    )* };
}

macro_rules! binary {
    ($($double:ident $float:ident)*) => { $(
        #[doc = concat!("C `", stringify!($double), "`.")]
        #[unsafe(no_mangle)]
        extern "C" fn $double(x: f64, y: f64) -> f64 {
            libm::$double(x, y)
        }

        #[doc = concat!("C `", stringify!($float), "`.")]
        #[unsafe(no_mangle)]
        extern "C" fn $float(x: f32, y: f32) -> f32 {
            libm::$float(x, y)
        }
    )* };
}

unary! {
    acos acosf acosh acoshf asin asinf asinh asinhf atan atanf atanh atanhf cbrt cbrtf
    ceil ceilf cos cosf cosh coshf erf erff erfc erfcf exp expf exp2 exp2f expm1 expm1f
    fabs fabsf floor floorf lgamma lgammaf log logf log10 log10f log1p log1pf log2 log2f
    rint rintf round roundf sin sinf sinh sinhf sqrt sqrtf tan tanf tanh tanhf
    tgamma tgammaf trunc truncf
}

binary! {
    atan2 atan2f copysign copysignf fdim fdimf fmax fmaxf fmin fminf fmod fmodf hypot hypotf
    nextafter nextafterf pow powf remainder remainderf
}

/// C `nearbyint`.
#[unsafe(no_mangle)]
extern "C" fn nearbyint(x: f64) -> f64 {
    libm::rint(x)
}

/// C `fma`.
#[unsafe(no_mangle)]
extern "C" fn fma(x: f64, y: f64, z: f64) -> f64 {
    libm::fma(x, y, z)
}

/// C `fmaf`.
#[unsafe(no_mangle)]
extern "C" fn fmaf(x: f32, y: f32, z: f32) -> f32 {
    libm::fmaf(x, y, z)
}

/// C `ldexp`.
#[unsafe(no_mangle)]
extern "C" fn ldexp(x: f64, power: c_int) -> f64 {
    libm::ldexp(x, power)
}

/// C `ldexpf`.
#[unsafe(no_mangle)]
extern "C" fn ldexpf(x: f32, power: c_int) -> f32 {
    libm::ldexpf(x, power)
}

/// C `scalbn`.
#[unsafe(no_mangle)]
extern "C" fn scalbn(x: f64, power: c_int) -> f64 {
    libm::scalbn(x, power)
}

/// C `ilogb`.
#[unsafe(no_mangle)]
extern "C" fn ilogb(x: f64) -> c_int {
    libm::ilogb(x)
}

/// C `frexp`.
#[unsafe(no_mangle)]
unsafe extern "C" fn frexp(x: f64, to: *mut c_int) -> f64 {
    let (part, power) = libm::frexp(x);
    // SAFETY: C contract.
    unsafe { to.write(power) };
    part
}

/// C `modf`.
#[unsafe(no_mangle)]
unsafe extern "C" fn modf(x: f64, to: *mut f64) -> f64 {
    let (fraction, whole) = libm::modf(x);
    // SAFETY: C contract.
    unsafe { to.write(whole) };
    fraction
}

/// POSIX `lgamma_r`: Rust's `std` calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn lgamma_r(x: f64, to: *mut c_int) -> f64 {
    let (value, sign) = libm::lgamma_r(x);
    // SAFETY: C contract.
    unsafe { to.write(sign) };
    value
}

/// POSIX `lgammaf_r`: Rust's `std` calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn lgammaf_r(x: f32, to: *mut c_int) -> f32 {
    let (value, sign) = libm::lgammaf_r(x);
    // SAFETY: C contract.
    unsafe { to.write(sign) };
    value
}

/// C `lround`; what does not fit is the nearest number that does.
#[unsafe(no_mangle)]
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what we want")]
extern "C" fn lround(x: f64) -> c_long {
    libm::round(x) as c_long
}
