//! Schemes and names: made by init, given to processes.

use anode_abi::info::policy;

use crate::object::namespace::{Name, checked_name};
use crate::prelude::*;

impl<M: Machine> Kernel<M> {
    /// The namespace behind a handle.
    pub(crate) fn namespace_of(&mut self, me: ThreadId, number: u64) -> Result<NamespaceId> {
        match self.named_handle(me, number, Rights::empty())?.1 {
            Target::Namespace(namespace) => Ok(namespace),
            _ => Err(EINVAL),
        }
    }

    /// The namespace to change: one behind a handle, or the caller's own, for root alone.
    fn namespace_to_change(&mut self, me: ThreadId, number: u64) -> Result<NamespaceId> {
        if number != wide(NONE) {
            return self.namespace_of(me, number);
        }
        let caller = self.process(me)?;
        if caller.who.uid == 0 { Ok(caller.who.namespace) } else { Err(EPERM) }
    }

    pub(crate) fn scheme_new(&mut self, me: ThreadId, call: Call) -> Outcome {
        self.only_root(me)?;
        let namespace = self.namespace_to_change(me, call.a)?;
        let len = self.take_path(me, call.b, call.c)?;
        let name = checked_name(self.path(0..len)?)?;
        if self.namespaces.get(namespace).is_none_or(|names| names.find(&name).is_some()) {
            return Err(EEXIST);
        }
        let [flags, orphan_ns, _tries, per_client] =
            if call.d == 0 { [0; 4] } else { self.words(me, call.d)? };
        let made = Scheme {
            ring: None,
            epoch: 0,
            orphaned_until: u64::MAX,
            orphan_ns,
            stream: flags & policy::STREAM != 0,
            per_client: size(per_client),
        };
        self.process(me)?.handles.reserve(0)?;
        let scheme = self.schemes.insert(made, 0)?;
        let owner = self.describe(Target::Owner(scheme), 0, 0);
        let owner = owner.inspect_err(|_full| self.drop_scheme(scheme))?;
        let bound = self.bind(namespace, name, owner);
        bound.inspect_err(|_| self.drop_description(owner))?;
        self.hand_out(me, owner, O_RDWR | O_CLOEXEC)
    }

    pub(crate) fn ns_new(&mut self, me: ThreadId) -> Outcome {
        let uid = self.process(me)?.who.uid;
        let namespace = self.namespaces.insert(Namespace::default(), uid)?;
        self.open_target(me, Target::Namespace(namespace), O_RDWR)
    }

    pub(crate) fn ns_bind(&mut self, me: ThreadId, call: Call) -> Outcome {
        let namespace = self.namespace_to_change(me, call.a)?;
        let len = self.take_path(me, call.b, call.c)?;
        let text = self.path(0..len)?;
        let (name, old) = text.split_once('=').unwrap_or((text, text));
        let (name, old) = (checked_name(name)?, checked_name(old)?);
        let bound = if call.d == wide(NONE) {
            let own = self.process(me)?.who.namespace;
            self.namespaces.get(own).and_then(|names| names.find(&old)).ok_or(ENOENT)?
        } else {
            match self.named_handle(me, call.d, Rights::empty())? {
                (Handle { description, .. }, Target::Owner(_)) => description,
                (Handle { description, rights, .. }, Target::Scheme(_))
                    if rights.contains(Rights::PASS) =>
                {
                    description
                }
                _ => return Err(EINVAL),
            }
        };
        self.bind(namespace, name, bound)?;
        self.give(me, 0)
    }

    /// Has a name stand for what a description does.
    fn bind(&mut self, namespace: NamespaceId, name: Name, to: DescriptionId) -> Result<()> {
        let names = self.namespaces.get_mut(namespace).ok_or(ENOENT)?;
        let old = names.bind(name, to)?;
        self.descriptions.retain(to);
        old.inspect(|old| self.drop_description(*old));
        Ok(())
    }

    pub(crate) fn ns_enter(&mut self, me: ThreadId, call: Call) -> Outcome {
        let namespace = self.namespace_of(me, call.a)?;
        self.namespaces.retain(namespace);
        let old = core::mem::replace(&mut self.process(me)?.who.namespace, namespace);
        self.drop_namespace(old);
        self.give(me, 0)
    }

    /// One user of a namespace less; the last one drops its names.
    pub(crate) fn drop_namespace(&mut self, id: NamespaceId) {
        if self.namespaces.release(id)
            && let Some(namespace) = self.namespaces.remove(id)
        {
            namespace.iter().for_each(|(_, bound)| self.drop_description(*bound));
        }
    }

    /// One reference to a scheme less.
    pub(crate) fn drop_scheme(&mut self, id: SchemeId) {
        if self.schemes.release(id) {
            self.schemes.remove(id);
            self.wake_all(Channel::Scheme(id));
        }
    }
}
