//! Limits and properties of the system (`unistd.h`, `sys/resource.h`).

use crate::{c, errno, sys};
use core::ffi::{c_char, c_int, c_long};
use relibc_core::abi::Rlimit;
use relibc_core::consts;
use relibc_core::errno::EINVAL;

/// POSIX `sysconf`.
#[unsafe(no_mangle)]
extern "C" fn sysconf(name: c_int) -> c_long {
    match name {
        consts::SC_ARG_MAX => 1 << 20,
        consts::SC_CHILD_MAX => 256,
        consts::SC_CLK_TCK => 100,
        consts::SC_NGROUPS_MAX => 0,
        consts::SC_OPEN_MAX | consts::SC_GETGR_R_SIZE_MAX | consts::SC_GETPW_R_SIZE_MAX => 1024,
        consts::SC_STREAM_MAX => 16,
        consts::SC_VERSION => 200_809,
        consts::SC_PAGESIZE => 4096,
        consts::SC_NPROCESSORS_CONF | consts::SC_NPROCESSORS_ONLN => {
            c_long::from(c::int(sys::cpus()))
        }
        consts::SC_LOGIN_NAME_MAX | consts::SC_TTY_NAME_MAX | consts::SC_HOST_NAME_MAX => 64,
        consts::SC_SYMLOOP_MAX => 40,
        _ => {
            errno::set(EINVAL);
            -1
        }
    }
}

/// BSD `getpagesize`.
#[unsafe(no_mangle)]
extern "C" fn getpagesize() -> c_int {
    4096
}

/// BSD `getdtablesize`.
#[unsafe(no_mangle)]
extern "C" fn getdtablesize() -> c_int {
    1024
}

/// POSIX `getrlimit`: handles are limited, the rest is the kernel's quotas, which have no names.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrlimit(resource: c_int, to: *mut Rlimit) -> c_int {
    const NOFILE: c_int = 7;
    let most = if resource == NOFILE { 1024 } else { u64::MAX };
    // SAFETY: C contract.
    unsafe { to.write(Rlimit { rlim_cur: most, rlim_max: most }) };
    0
}

/// POSIX `gethostname`.
#[unsafe(no_mangle)]
unsafe extern "C" fn gethostname(to: *mut c_char, length: usize) -> c_int {
    let mut name = crate::utsname::EMPTY;
    // SAFETY: C contract.
    let buffer = unsafe { c::bytes_mut(to, length) };
    errno::status(sys::uname(&mut name).and_then(|()| {
        let end = name.nodename.iter().position(|byte| *byte == 0).unwrap_or(0);
        let fits = relibc_core::text::put(buffer, name.nodename.get(..end).unwrap_or_default());
        if fits { Ok(()) } else { Err(relibc_core::errno::ENAMETOOLONG) }
    }))
}
