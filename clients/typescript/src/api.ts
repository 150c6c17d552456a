// Made from docs/openapi.json by `npm run generate`: change nothing here.

export interface paths {
    "/api/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Log in and get an access token */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Log out: the token is refused from now on */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Change the password, which logs out everywhere else */
        put: operations["changePassword"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/profile": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get the current user's profile */
        get: operations["getProfile"];
        /** Update the current user's profile */
        put: operations["updateProfile"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Create a new user */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the current user's live sessions, newest first */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        /** Log out everywhere else, or with all=true here, too */
        delete: operations["revokeSessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** End one of the current user's sessions */
        delete: operations["revokeSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/ws-token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a short-lived token for Socket.IO */
        get: operations["getWebSocketToken"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the gateway answers (also at /health) */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/health/detailed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Each dependency by name */
        get: operations["getDetailedHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get all rooms of the current user */
        get: operations["listRooms"];
        put?: never;
        /** Create a room and become its owner */
        post: operations["createRoom"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/{roomId}/join": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Become a member of a public room */
        post: operations["joinRoom"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/{roomId}/leave": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End the membership in a room */
        post: operations["leaveRoom"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/{roomId}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a page of a room's members */
        get: operations["listMembers"];
        put?: never;
        /** Let somebody into a room, as its owner */
        post: operations["addMember"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/{roomId}/members/{userId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Put somebody out of a room, as its owner, or leave it */
        delete: operations["removeMember"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/{roomId}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Get a page of a room's history */
        get: operations["getMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/direct": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Open the direct room with another user */
        post: operations["openDirectRoom"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rooms/public": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Find public rooms */
        get: operations["listPublicRooms"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A new room. */
        CreateRoomBody: {
            /** @example All about project X */
            description?: string | null;
            /** @example project-x */
            name: string;
            /**
             * @description `public` (the default) or `private`.
             * @example public
             */
            roomType?: string | null;
        };
        /** @description One dependency. */
        DependencyBody: {
            /** @description `up` or `down`. */
            status: string;
        };
        /** @description The gateway and all that it needs, directly or not. */
        DetailedHealthBody: {
            dependencies: {
                [key: string]: components["schemas"]["DependencyBody"];
            };
            /** @example api-gateway */
            service: string;
            /** @description `ok`, `degraded` when only something optional is down, or `error`. */
            status: string;
            /** @example 2023-10-27T10:00:00.000Z */
            timestamp: string;
            /**
             * Format: int64
             * @description Seconds since the start.
             */
            uptime: number;
            /** @example 0.1.0 */
            version: string;
        };
        /** @description It is done. */
        DoneBody: {
            message: string;
            /** @example true */
            success: boolean;
        };
        /** @description The body of every failure but the 401 of guarded routes. */
        ErrorBody: {
            /**
             * @description What is wrong and how to mend it.
             * @example name is required
             */
            message: string;
            /**
             * @description Always `false`.
             * @example false
             */
            success: boolean;
        };
        /** @description The gateway itself. */
        HealthBody: {
            /** @example api-gateway */
            service: string;
            /** @example ok */
            status: string;
            /** @example 2023-10-27T10:00:00.000Z */
            timestamp: string;
            /**
             * Format: int64
             * @description Seconds since the start.
             */
            uptime: number;
            /** @example 0.1.0 */
            version: string;
        };
        /** @description A user's credentials. */
        LoginBody: {
            /** @example john@example.com */
            email: string;
            /** @example correct horse */
            password: string;
        };
        /** @description A member of a room. */
        Member: {
            /** @example 2023-10-27T10:00:00.000Z */
            joinedAt: string;
            /**
             * @description `owner` or `member`.
             * @example owner
             */
            role: string;
            /** @example 1 */
            userId: string;
            /** @example john_doe */
            username: string;
        };
        /** @description A page of a room's members. */
        MembersBody: {
            /** @description In the order in which they entered. */
            members: components["schemas"]["Member"][];
            /** @example Members retrieved successfully */
            message: string;
            pagination: components["schemas"]["Pagination"];
            /** @example true */
            success: boolean;
        };
        /** @description A message. */
        Message: {
            /** @example Hello, world! */
            content: string;
            /** @example 2023-10-27T10:01:00.000Z */
            createdAt: string;
            /** @example 635a5e3b8bb9e8b3c8e9f5d3 */
            id: string;
            /** @example text */
            messageType: string;
            /** @description An object, or `null`. */
            metadata: unknown;
            /** @example 635a5e3b8bb9e8b3c8e9f5d2 */
            roomId: string;
            /** @example 2023-10-27T10:01:00.000Z */
            updatedAt: string;
            /** @example 1 */
            userId: string;
            /** @example john_doe */
            username: string;
        };
        /** @description A page of a room's history. */
        MessagesBody: {
            /** @example Message history retrieved successfully */
            message: string;
            /** @description Ascending by time. */
            messages: components["schemas"]["Message"][];
            pagination: components["schemas"]["Pagination"];
            /** @example true */
            success: boolean;
        };
        /** @description Which page it is, and of how many. */
        Pagination: {
            /**
             * Format: int32
             * @example 1
             */
            currentPage: number;
            /** @example false */
            hasNext: boolean;
            /** @example false */
            hasPrevious: boolean;
            /**
             * Format: int32
             * @example 50
             */
            itemsPerPage: number;
            /**
             * Format: int64
             * @example 1
             */
            totalItems: number;
            /**
             * Format: int64
             * @example 1
             */
            totalPages: number;
        };
        /** @description A change of the caller's password. */
        PasswordBody: {
            /** @example correct horse */
            currentPassword: string;
            /** @example battery staple */
            newPassword: string;
        };
        /** @description What to change; absent fields stay as they are. */
        ProfileBody: {
            /** @example John */
            firstName?: string | null;
            /** @example Doe */
            lastName?: string | null;
            /** @example john_doe */
            username?: string | null;
        };
        /** @description A room that anybody may join. */
        PublicRoom: {
            /** @example 2023-10-27T10:00:00.000Z */
            createdAt: string;
            /**
             * @description A user's id, or `system`.
             * @example system
             */
            createdBy: string;
            /** @example General discussion room */
            description: string;
            /** @example 635a5e3b8bb9e8b3c8e9f5d2 */
            id: string;
            /**
             * @description Whether the caller is a member.
             * @example false
             */
            isMember: boolean;
            /**
             * Format: int64
             * @example 2
             */
            memberCount: number;
            /** @example general */
            name: string;
            /** @example public */
            roomType: string;
            /** @example 2023-10-27T10:00:00.000Z */
            updatedAt: string;
        };
        /** @description A page of the public rooms. */
        PublicRoomsBody: {
            /** @example Public rooms retrieved successfully */
            message: string;
            pagination: components["schemas"]["Pagination"];
            /** @description By name. */
            rooms: components["schemas"]["PublicRoom"][];
            /** @example true */
            success: boolean;
        };
        /** @description A new user. */
        RegisterBody: {
            /** @example john@example.com */
            email: string;
            /** @example John */
            firstName: string;
            /** @example Doe */
            lastName: string;
            /** @example correct horse */
            password: string;
            /** @example john_doe */
            username: string;
        };
        /** @description Sessions were revoked. */
        RevokedBody: {
            message: string;
            /**
             * @description How many.
             * @example 2
             */
            revoked: number;
            /** @example true */
            success: boolean;
        };
        /** @description A room. */
        Room: {
            /** @example 2023-10-27T10:00:00.000Z */
            createdAt: string;
            /**
             * @description A user's id, or `system`.
             * @example system
             */
            createdBy: string;
            /** @example General discussion room */
            description: string;
            /** @example 635a5e3b8bb9e8b3c8e9f5d2 */
            id: string;
            /**
             * @description Users' ids.
             * @example [
             *       "1",
             *       "2"
             *     ]
             */
            members: string[];
            /**
             * @description In a direct room the other member's user name.
             * @example general
             */
            name: string;
            /**
             * @description `public`, `private` or `direct`.
             * @example public
             */
            roomType: string;
            /** @example 2023-10-27T10:00:00.000Z */
            updatedAt: string;
        };
        /** @description A room. */
        RoomBody: {
            message: string;
            room: components["schemas"]["Room"];
            /** @example true */
            success: boolean;
        };
        /** @description The caller's rooms. */
        RoomsBody: {
            /** @description `Rooms retrieved successfully`, or `No rooms joined yet.` */
            message: string;
            rooms: components["schemas"]["Room"][];
            /** @example true */
            success: boolean;
        };
        /** @description A user with a new session. */
        SessionBody: {
            /** @description For the header `Authorization: Bearer …`; valid for 30 days. */
            accessToken: string;
            message: string;
            /** @example true */
            success: boolean;
            user: components["schemas"]["User"];
        };
        /** @description One of the caller's sessions. */
        SessionInfo: {
            /**
             * @description The address that logged in; of IPv6, its network.
             * @example 203.0.113.9
             */
            address?: string | null;
            /** @example 2023-10-27T10:00:00.000Z */
            createdAt: string;
            /**
             * @description Whether it is the session of this request.
             * @example true
             */
            current: boolean;
            /** @example 2023-11-26T10:00:00.000Z */
            expiresAt: string;
            /** @example 7d0ad5ab-8a1b-4b39-b6cf-4d7f4a5c0e43 */
            id: string;
            /**
             * @description The program that logged in, as it calls itself.
             * @example Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0
             */
            userAgent?: string | null;
        };
        /** @description The caller's live sessions. */
        SessionsBody: {
            message: string;
            sessions: components["schemas"]["SessionInfo"][];
            /** @example true */
            success: boolean;
        };
        /** @description The body of 401 where the specification has it with `statusCode`. */
        UnauthorizedBody: {
            /** @example Unauthorized */
            message: string;
            /**
             * Format: int32
             * @example 401
             */
            statusCode: number;
        };
        /** @description A user. */
        User: {
            /** @example 2023-10-27T10:00:00.000Z */
            createdAt: string;
            /** @example john@example.com */
            email: string;
            /** @example John */
            firstName: string;
            /**
             * @description Decimal digits.
             * @example 1
             */
            id: string;
            /** @example Doe */
            lastName: string;
            /**
             * @description First and last name.
             * @example John Doe
             */
            name: string;
            /**
             * @example [
             *       "user"
             *     ]
             */
            roles: string[];
            /** @example 2023-10-27T10:00:00.000Z */
            updatedAt: string;
            /** @example john_doe */
            username: string;
        };
        /** @description A user, by id or by name. */
        UserBody: {
            /**
             * @description This or `username`.
             * @example 2
             */
            userId?: string | null;
            username?: string | null;
        };
        /** @description A token for Socket.IO. */
        WsTokenBody: {
            /** @example true */
            success: boolean;
            /** @description For `auth: {token}` of the Socket.IO client; valid for 60 seconds. */
            token: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LoginBody"];
            };
        };
        responses: {
            /** @description A new session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionBody"];
                };
            };
            /** @description A field is missing */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "password is required",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Unknown user or wrong password */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Invalid credentials",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Too many attempts from this address, or too many failed ones on this account */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Too many requests, please try again in 42 seconds",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is revoked */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Logged out successfully",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["DoneBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Unauthorized",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    changePassword: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordBody"];
            };
        };
        responses: {
            /** @description The password is changed, all other sessions are revoked */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Password changed successfully",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["DoneBody"];
                };
            };
            /** @description The current password is wrong, or the new one is too weak */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "currentPassword is wrong",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description Too many wrong passwords */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Too many requests, please try again in 42 seconds",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    getProfile: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profile */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    updateProfile: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ProfileBody"];
            };
        };
        responses: {
            /** @description The profile as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserBody"];
                };
            };
            /** @description A field is wrong, or the user name is taken */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Failed to update user profile",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RegisterBody"];
            };
        };
        responses: {
            /** @description The user and its first session */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionBody"];
                };
            };
            /** @description A field is wrong, or e-mail or user name is taken */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "User with this email or username already exists",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description Too many requests from this address */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Too many requests, please try again in 42 seconds",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    listSessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions; of very many, the newest thousand */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionsBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    revokeSessions: {
        parameters: {
            query?: {
                /** @description Whether the session of this request ends, too. */
                all?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions are revoked, their sockets are closed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Sessions revoked successfully",
                     *       "revoked": 2,
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["RevokedBody"];
                };
            };
            /** @description all is neither true nor false */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "all must be true or false",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    revokeSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is revoked, its sockets are closed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Session revoked successfully",
                     *       "revoked": 1,
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["RevokedBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The caller has no such session, or it has ended */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Session not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    getWebSocketToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WsTokenBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthBody"];
                };
            };
        };
    };
    getDetailedHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All that is required is up */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DetailedHealthBody"];
                };
            };
            /** @description Something required is down */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DetailedHealthBody"];
                };
            };
        };
    };
    listRooms: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The rooms that the user is a member of */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoomsBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    createRoom: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateRoomBody"];
            };
        };
        responses: {
            /** @description The room */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoomBody"];
                };
            };
            /** @description A field is wrong, or the name is taken: all rooms, public and private, share names */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "name is required",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
    joinRoom: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The caller is a member */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoomBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description No such room, or none that the caller may see */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    leaveRoom: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The caller is no member any more */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Left room successfully",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["DoneBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The room is direct */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "A direct room always has the same two members",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such room, or none that the caller may see */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    listMembers: {
        parameters: {
            query?: {
                /** @description Members on a page, 50 by default */
                limit?: number;
                /** @description 1 by default */
                page?: number;
            };
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MembersBody"];
                };
            };
            /** @description page or limit is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "limit must be a positive integer of at most 100",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The caller is no member of the room */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "You are not a member of this room",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such room, or none that the caller may see */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    addMember: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserBody"];
            };
        };
        responses: {
            /** @description The user is a member */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoomBody"];
                };
            };
            /** @description The user isn't named */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "userId or username is required, and not both",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The caller doesn't own the room, or it is direct */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Only the room's owner may do this",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such room, or none that the caller may see, or no such user */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    removeMember: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
                /** @description The member's id */
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is no member any more */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Member removed successfully",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["DoneBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The caller doesn't own the room, or it is direct */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Only the room's owner may do this",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such room, or none that the caller may see, or no such member */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    getMessages: {
        parameters: {
            query?: {
                /** @description Messages on a page, 50 by default */
                limit?: number;
                /** @description Page 1 (the default) holds the newest messages */
                page?: number;
            };
            header?: never;
            path: {
                /** @description The room's id or name */
                roomId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessagesBody"];
                };
            };
            /** @description page or limit is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "limit must be a positive integer of at most 100",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description The caller is no member of the room */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "You are not a member of this room",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No such room, or none that the caller may see */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "Room not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    openDirectRoom: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserBody"];
            };
        };
        responses: {
            /** @description The room, made if it wasn't there */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoomBody"];
                };
            };
            /** @description The user isn't named, or is the caller */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "userId or username is required, and not both",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
            /** @description No such user */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "User not found",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
        };
    };
    listPublicRooms: {
        parameters: {
            query?: {
                /** @description Rooms on a page, 50 by default */
                limit?: number;
                /** @description 1 by default */
                page?: number;
                /** @description A part of the name, in whatever case */
                search?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublicRoomsBody"];
                };
            };
            /** @description page, limit or search is wrong */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "message": "limit must be a positive integer of at most 100",
                     *       "success": false
                     *     }
                     */
                    "application/json": components["schemas"]["ErrorBody"];
                };
            };
            /** @description No valid token */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UnauthorizedBody"];
                };
            };
        };
    };
}
