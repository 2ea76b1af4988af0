//! Where every field lies, in numbers: the contract on 64-bit machines.
//!
//! The compiler holds Rust's structs to these numbers here, and the C header's to the same ones there.

/// A struct that crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Its name in C.
    pub name: &'static str,
    /// Bytes of the whole.
    pub size: usize,
    /// Its alignment.
    pub align: usize,
    /// Its fields, in order.
    pub fields: &'static [Field],
}

/// A field of a struct that crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it begins.
    pub offset: usize,
    /// The minor version of ABI 1 that it came with.
    pub since: u32,
}

macro_rules! layouts {
    ($( $c:literal $ty:path: size $size:literal align $align:literal { $( $field:ident @ $offset:literal since $since:literal ),* $(,)? } )*) => {
        /// Every struct that crosses, each behind those that it holds.
        pub const ALL: &[Layout] = &[ $( Layout {
            name: $c,
            size: $size,
            align: $align,
            fields: &[ $( Field { name: stringify!($field), offset: $offset, since: $since } ),* ],
        } ),* ];

        $( const _: () = {
            assert!(size_of::<$ty>() == $size && align_of::<$ty>() == $align);
            $( assert!(core::mem::offset_of!($ty, $field) == $offset); )*
            // A field that is missing above doesn't compile here.
            const fn _all(value: &$ty) {
                let $ty { $( $field: _ ),* } = value;
            }
        }; )*
    };
}

layouts! {
    "PalimpsestHead" crate::Head: size 16 align 8 {
        size @ 0 since 0,
        extension @ 8 since 0,
    }
    "PalimpsestExtension" crate::Extension: size 24 align 8 {
        size @ 0 since 0,
        id @ 8 since 0,
        next @ 16 since 0,
    }
    "PalimpsestStr" crate::Str: size 16 align 8 {
        ptr @ 0 since 0,
        len @ 8 since 0,
    }
    "PalimpsestError" crate::Error: size 1824 align 8 {
        head @ 0 since 0,
        message_len @ 16 since 0,
        place_len @ 20 since 0,
        mend_len @ 24 since 0,
        message @ 28 since 0,
        place @ 1052 since 0,
        mend @ 1308 since 0,
    }
    "PalimpsestEntry" crate::Entry: size 56 align 8 {
        head @ 0 since 0,
        major @ 16 since 0,
        minor @ 20 since 0,
        kind @ 24 since 0,
        unwinds @ 28 since 0,
        built_with @ 32 since 0,
        table @ 48 since 0,
    }
    "PalimpsestDevice" crate::backend::Device: size 8 align 4 {
        kind @ 0 since 0,
        index @ 4 since 0,
    }
    "PalimpsestInfo" crate::backend::Info: size 80 align 8 {
        head @ 0 since 0,
        name @ 16 since 0,
        version @ 32 since 0,
        description @ 48 since 0,
        instructions @ 64 since 5,
    }
    "PalimpsestHostTensor" crate::backend::HostTensor: size 104 align 8 {
        head @ 0 since 0,
        dtype @ 16 since 0,
        rank @ 20 since 0,
        extents @ 24 since 0,
        data @ 88 since 0,
        bytes @ 96 since 0,
    }
    "PalimpsestTensor" crate::backend::Tensor: size 80 align 8 {
        handle @ 0 since 0,
        dtype @ 8 since 0,
        rank @ 12 since 0,
        extents @ 16 since 0,
    }
    "PalimpsestInput" crate::backend::Input: size 16 align 8 {
        handle @ 0 since 0,
        given @ 8 since 0,
    }
    "PalimpsestOp" crate::backend::Op: size 56 align 8 {
        head @ 0 since 0,
        kind @ 16 since 0,
        results @ 20 since 0,
        integers @ 24 since 0,
        integer_count @ 32 since 0,
        reals @ 40 since 0,
        real_count @ 48 since 0,
    }
    "PalimpsestMemory" crate::backend::Memory: size 32 align 8 {
        head @ 0 since 0,
        in_use @ 16 since 0,
        peak @ 24 since 0,
    }
    "PalimpsestUpdate" crate::backend::Update: size 96 align 8 {
        head @ 0 since 2,
        beta1 @ 16 since 2,
        beta2 @ 24 since 2,
        eps @ 32 since 2,
        decay @ 40 since 2,
        value @ 48 since 2,
        gradient @ 56 since 2,
        first @ 64 since 2,
        second @ 72 since 2,
        average @ 80 since 2,
        rates @ 88 since 2,
    }
    "PalimpsestBackendTable" crate::backend::Table: size 184 align 8 {
        head @ 0 since 0,
        open @ 16 since 0,
        info @ 24 since 0,
        devices @ 32 since 0,
        supports @ 40 since 0,
        upload @ 48 since 0,
        download @ 56 since 0,
        execute @ 64 since 0,
        track @ 72 since 0,
        detach @ 80 since 0,
        backward @ 88 since 0,
        set_grad_enabled @ 96 since 0,
        seed @ 104 since 0,
        synchronize @ 112 since 0,
        memory @ 120 since 0,
        release @ 128 since 0,
        graphs @ 136 since 2,
        graph_begin @ 144 since 2,
        graph_end @ 152 since 2,
        graph_replay @ 160 since 2,
        write @ 168 since 2,
        update @ 176 since 2,
    }
    "PalimpsestValue" crate::corruption::Value: size 32 align 8 {
        integer @ 0 since 0,
        real @ 8 since 0,
        text @ 16 since 0,
    }
    "PalimpsestParameter" crate::corruption::Parameter: size 120 align 8 {
        head @ 0 since 0,
        name @ 16 since 0,
        doc @ 32 since 0,
        kind @ 48 since 0,
        reserved @ 52 since 0,
        default @ 56 since 0,
        min @ 88 since 0,
        max @ 96 since 0,
        choices @ 104 since 0,
        choice_count @ 112 since 0,
    }
    "PalimpsestDescription" crate::corruption::Description: size 96 align 8 {
        head @ 0 since 0,
        id @ 16 since 0,
        version @ 32 since 0,
        summary @ 48 since 0,
        capabilities @ 64 since 0,
        parameters @ 72 since 0,
        parameter_count @ 80 since 0,
        parameter_size @ 88 since 0,
    }
    "PalimpsestArgument" crate::corruption::Argument: size 48 align 8 {
        name @ 0 since 0,
        value @ 16 since 0,
    }
    "PalimpsestGeometry" crate::corruption::Geometry: size 56 align 8 {
        head @ 0 since 0,
        channels @ 16 since 0,
        height @ 20 since 0,
        width @ 24 since 0,
        patch @ 28 since 0,
        grid_h @ 32 since 0,
        grid_w @ 36 since 0,
        prefix @ 40 since 0,
        dim @ 44 since 0,
        depth @ 48 since 0,
        heads @ 52 since 0,
    }
    "PalimpsestPlanRequest" crate::corruption::PlanRequest: size 72 align 8 {
        head @ 0 since 0,
        geometry @ 16 since 0,
        batch @ 24 since 0,
        tokens @ 28 since 0,
        seed @ 32 since 0,
        step @ 40 since 0,
        first_sample @ 48 since 0,
        progress @ 56 since 0,
        scores @ 64 since 1,
    }
    "PalimpsestPlan" crate::corruption::Plan: size 56 align 8 {
        head @ 0 since 0,
        roles @ 16 since 0,
        gain @ 24 since 0,
        noise @ 32 since 0,
        source @ 40 since 0,
        flags @ 48 since 0,
        reserved @ 52 since 0,
    }
    "PalimpsestOps" crate::corruption::Ops: size 56 align 8 {
        head @ 0 since 0,
        context @ 16 since 0,
        execute @ 24 since 0,
        upload @ 32 since 0,
        download @ 40 since 0,
        detach @ 48 since 0,
    }
    "PalimpsestApplication" crate::corruption::Application: size 360 align 8 {
        head @ 0 since 0,
        request @ 16 since 0,
        plan @ 24 since 0,
        tokens @ 32 since 0,
        prefix @ 112 since 0,
        place @ 116 since 0,
        kept @ 120 since 0,
        gain @ 200 since 0,
        noise @ 280 since 0,
    }
    "PalimpsestCorruptionTable" crate::corruption::Table: size 80 align 8 {
        head @ 0 since 0,
        description @ 16 since 0,
        create @ 24 since 0,
        destroy @ 32 since 0,
        check @ 40 since 0,
        plan @ 48 since 0,
        apply @ 56 since 0,
        observe @ 64 since 1,
        score @ 72 since 1,
    }
    "PalimpsestWorld" crate::collective::World: size 112 align 8 {
        head @ 0 since 4,
        rank @ 16 since 4,
        size @ 20 since 4,
        local_rank @ 24 since 4,
        local_size @ 28 since 4,
        served @ 32 since 4,
        address @ 40 since 4,
        port @ 56 since 4,
        interface @ 64 since 4,
        session @ 80 since 4,
        limit_ms @ 96 since 4,
        device @ 104 since 4,
    }
    "PalimpsestTransfer" crate::collective::Transfer: size 56 align 8 {
        head @ 0 since 4,
        op @ 16 since 4,
        dtype @ 20 since 4,
        data @ 24 since 4,
        to @ 32 since 4,
        count @ 40 since 4,
        root @ 48 since 4,
    }
    "PalimpsestCollectiveTable" crate::collective::Table: size 96 align 8 {
        head @ 0 since 4,
        about @ 16 since 4,
        open @ 24 since 4,
        start @ 32 since 4,
        wait @ 40 since 4,
        barrier @ 48 since 4,
        share @ 56 since 4,
        abort @ 64 since 4,
        fates @ 72 since 4,
        close @ 80 since 4,
        interface @ 88 since 4,
    }
}
