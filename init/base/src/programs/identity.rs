//! `id` and `whoami`.

use super::Outcome;
use super::call::Call;
use crate::failure::Failure;
use crate::system::{self, Identity};

pub(super) fn id(call: &mut Call<'_>) -> Outcome {
    let options = call.options_only("ugn")?;
    let Identity { uid, gid } = who()?;
    let name = system::user_name(&system::all_users(), uid);
    let text = match (options.has('u'), options.has('g'), options.has('n')) {
        (true, false, true) => name,
        (true, false, false) => uid.to_string(),
        (false, true, false) => gid.to_string(),
        (false, false, false) => format!("uid={uid}({name}) gid={gid}"),
        _ => return Err(Failure::Usage("these options do not go together".to_owned())),
    };
    writeln!(call.out, "{text}")?;
    Ok(0)
}

pub(super) fn whoami(call: &mut Call<'_>) -> Outcome {
    call.options_only("")?;
    writeln!(call.out, "{}", system::user_name(&system::all_users(), who()?.uid))?;
    Ok(0)
}

fn who() -> Result<Identity, Failure> {
    system::identity()
        .ok_or_else(|| Failure::Message("the system does not tell who runs this".to_owned()))
}
