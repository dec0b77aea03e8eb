//! Schemes and names: made by init, given to processes.

use anode_abi::info::policy;

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
        if self.process(me)?.who.uid != 0 {
            return Err(EPERM);
        }
        let namespace = self.namespace_to_change(me, call.a)?;
        let len = self.take_path(me, call.b, call.c)?;
        let name = Name::new(self.path(0..len)?.as_bytes())?;
        if self.namespaces.get(namespace).is_none_or(|n| n.find(name.as_bytes()).is_some()) {
            return Err(EEXIST);
        }
        let [flags, orphan_ns, _tries, per_client] =
            if call.d == 0 { [0; 4] } else { self.words(me, call.d)? };
        self.process(me)?.handles.reserve(0)?;
        let made = Scheme {
            ring: None,
            epoch: 0,
            orphaned_until: u64::MAX,
            orphan_ns,
            stream: flags & policy::STREAM != 0,
            per_client: size(per_client),
        };
        let scheme = self.schemes.insert(made, 0)?;
        let names = self.namespaces.get_mut(namespace).ok_or(ENOENT)?;
        if let Err(errno) = names.bind(name, Binding::Scheme(scheme)) {
            self.schemes.remove(scheme);
            return Err(errno);
        }
        // The binding has one reference, the owner's handle another.
        self.schemes.retain(scheme);
        self.open_target(me, Target::Owner(scheme), O_RDWR | O_CLOEXEC)
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
        let name = Name::new(name.as_bytes())?;
        let old = Name::<31>::new(old.as_bytes())?;
        let binding = if call.d == wide(NONE) {
            let own = self.process(me)?.who.namespace;
            let names = self.namespaces.get(own).ok_or(ENOENT)?;
            names.find(old.as_bytes()).ok_or(ENOENT)?
        } else {
            let (handle, target) = self.named_handle(me, call.d, Rights::empty())?;
            match target {
                Target::Owner(scheme) => Binding::Scheme(scheme),
                Target::Scheme(_) if handle.rights.contains(Rights::PASS) => {
                    Binding::Directory(handle.description)
                }
                _ => return Err(EINVAL),
            }
        };
        match binding {
            Binding::Builtin(_) => {}
            Binding::Scheme(scheme) => self.schemes.retain(scheme),
            Binding::Directory(description) => self.descriptions.retain(description),
        }
        let bound = self.namespaces.get_mut(namespace).ok_or(ENOENT)?.bind(name, binding);
        // What is not bound any more, or could not be, is let go.
        if let Some(gone) = bound.unwrap_or(Some(binding)) {
            self.drop_binding(gone);
        }
        bound?;
        self.give(me, 0)
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
            namespace.iter().for_each(|(_, binding)| self.drop_binding(*binding));
        }
    }

    fn drop_binding(&mut self, binding: Binding) {
        match binding {
            Binding::Builtin(_) => {}
            Binding::Scheme(scheme) => self.drop_scheme(scheme),
            Binding::Directory(description) => self.drop_description(description),
        }
    }

    /// One reference to a scheme less.
    pub(crate) fn drop_scheme(&mut self, id: SchemeId) {
        if self.schemes.release(id) {
            self.schemes.remove(id);
        }
    }
}
